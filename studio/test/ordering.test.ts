import assert from "node:assert/strict";
import { test } from "node:test";
import { without, withVideo } from "../src/state/ordering.ts";

const list = [
  { id: "c", created_at: 30 },
  { id: "b", created_at: 20 },
  { id: "a", created_at: 10 },
];
const ids = (videos: readonly { id: string }[]): string => videos.map(({ id }) => id).join("");

test("a video that is known keeps its place", () => {
  const changed = withVideo(list, { id: "b", created_at: 20, progress: 50 } as never);
  assert.equal(ids(changed), "cba");
  assert.equal((changed[1] as unknown as { progress: number }).progress, 50);
});

test("a new video comes where its time is, the newest of its second first", () => {
  assert.equal(ids(withVideo(list, { id: "x", created_at: 40 })), "xcba");
  assert.equal(ids(withVideo(list, { id: "x", created_at: 20 })), "cxba");
  assert.equal(ids(withVideo(list, { id: "x", created_at: 1 })), "cbax");
});

test("one that is gone is gone", () => {
  assert.equal(ids(without(list, "b")), "ca");
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { frameAt, timeOf } from "../src/parts/frames.ts";
import { fits } from "../src/views/library/filter.ts";
import { rowsOf } from "../src/views/verify/rows.ts";

test("nested values become rows", () => {
  const manifest = {
    seed: 3,
    model: { name: "embedded", size: 0.12345 },
    parents: ["a", "b"],
    none: null,
    signed: true,
  };
  assert.deepEqual(rowsOf(manifest), [
    ["seed", "3"],
    ["model name", "embedded"],
    ["model size", "0.123"],
    ["parents", "a, b"],
    ["signed", "✓"],
  ]);
  assert.deepEqual(rowsOf(null), []);
  assert.deepEqual(rowsOf({ actions: [{ bits_right: 1 }] }, "mark"), [["mark actions 1 bits right", "1"]]);
});

test("a frame's time leads back to the frame, at any rate", () => {
  for (const fps of [1, 15, 16, 23.976, 24, 29.97, 30, 60]) {
    for (let frame = 0; frame < 400; frame += 1) {
      assert.equal(frameAt(timeOf(frame, fps), fps, 400), frame);
      assert.equal(frameAt(frame / fps, fps, 400), frame);
    }
  }
  assert.equal(frameAt(99, 16, 32), 31);
});

test("a video is found by all words of a query, in prompt or title", () => {
  const video = { kind: "generation" as const, prompt: "A red ball", title: "First try" };
  assert.ok(fits(video, { query: "BALL try", origin: "made" }));
  assert.ok(!fits(video, { query: "ball cube", origin: "all" }));
  assert.ok(!fits(video, { query: "", origin: "uploads" }));
  assert.ok(!fits({ ...video, kind: "upload" }, { query: "", origin: "made" }));
});

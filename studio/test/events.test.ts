import assert from "node:assert/strict";
import { test } from "node:test";
import { EventParser, follow, type ServerEvent } from "../src/api/events.ts";

test("events come whole, however the text is cut into pieces", () => {
  const text =
    'retry: 10\n\n: ping\n\nid: 7\nevent: video\ndata: {"a":\ndata: 1}\n\nevent: deleted\r\ndata:x\r\n\r\ndata: 你好\n\n';
  const expected = [
    { type: "video", data: '{"a":\n1}', id: "7" },
    { type: "deleted", data: "x", id: "7" },
    { type: "message", data: "你好", id: "7" },
  ];
  for (let size = 1; size <= text.length; size += 1) {
    const parser = new EventParser();
    const events: ServerEvent[] = [];
    for (let at = 0; at < text.length; at += size) events.push(...parser.push(text.slice(at, at + size)));
    assert.deepEqual(events, expected, `pieces of ${size}`);
  }
});

test("a stream that breaks is opened again from its last event", async () => {
  const asked: (string | null)[] = [];
  const heard: string[] = [];
  const stop = new AbortController();
  let losses = 0;
  await follow(
    {
      open: async (lastId) => {
        asked.push(lastId);
        if (asked.length === 2) throw new Error("refused");
        return new Response(`id: ${asked.length}\ndata: hello ${asked.length}\n\n`);
      },
      opened: async () => {},
      event: ({ data }) => {
        heard.push(data);
        if (heard.length === 2) stop.abort();
      },
      lost: () => (losses += 1),
    },
    stop.signal,
  );
  assert.deepEqual(asked, [null, "1", "1"]);
  assert.deepEqual(heard, ["hello 1", "hello 3"]);
  assert.equal(losses, 2);
});

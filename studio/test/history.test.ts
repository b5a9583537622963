import assert from "node:assert/strict";
import { test } from "node:test";
import { advance, begin, redo, undo } from "../src/board/history.ts";

test("back and forth again", () => {
  const history = advance(advance(begin("a"), "b"), "c");
  assert.equal(undo(history).present, "b");
  assert.equal(undo(undo(undo(history))).present, "a");
  assert.equal(redo(undo(history)).present, "c");
  assert.equal(redo(history).present, "c");
});

test("a new step forgets what was undone", () => {
  const history = advance(undo(advance(begin("a"), "b")), "c");
  assert.equal(redo(history).present, "c");
});

test("typing is undone as one", () => {
  const typed = advance(advance(begin(""), "r"), "re", true);
  assert.equal(undo(typed).present, "");
});

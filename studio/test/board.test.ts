import assert from "node:assert/strict";
import { test } from "node:test";
import * as boards from "../src/board/board.ts";
import type { Board } from "../src/board/board.ts";
import { boardOf, card } from "./boards.ts";

const places = (board: Board): string =>
  board.cards.map(({ key, start, frames }) => `${key}${start}+${frames}`).join(" ");

test("a card put on another goes before it if its middle lies before, and the other makes room", () => {
  const board = boardOf(card("a"), card("b", { start: 16 }));
  assert.equal(places(boards.place(board, card("c", { start: 12 }))), "a0+16 c16+16 b32+16");
  assert.equal(places(boards.place(board, card("c", { start: 4 }))), "a0+16 c16+16 b32+16");
  assert.equal(places(boards.place(board, card("c", { start: 0, frames: 8 }))), "c0+8 a8+16 b24+16");
});

test("moving keeps gaps and lands on the grid", () => {
  const board = boardOf(card("a"), card("b", { start: 16 }));
  assert.equal(places(boards.move(board, "b", 21)), "a0+16 b20+16");
  assert.equal(places(boards.move(board, "a", -9)), "a0+16 b16+16");
});

test("cards never overlap, wherever one is moved", () => {
  const board = boardOf(card("a"), card("b", { start: 20, frames: 24 }), card("c", { start: 60 }));
  for (let start = 0; start < 90; start += 1) {
    const { cards, frames } = boards.move(board, "b", start);
    cards.forEach((one, index) => assert.ok(index === 0 || one.start >= boards.endOf(cards[index - 1]!)));
    assert.equal(frames, boards.endOf(cards.at(-1)!));
  }
});

test("swapping keeps the gap between the two", () => {
  const board = boardOf(card("a", { frames: 8 }), card("b", { start: 12 }));
  assert.equal(places(boards.swap(board, "a", 1)), "b0+16 a20+8");
  assert.equal(places(boards.swap(board, "b", -1)), "b0+16 a20+8");
  assert.equal(boards.swap(board, "a", -1), board);
});

test("a clip is never longer than it is, a prompt as long as one likes", () => {
  const board = boardOf(card("clip", { video: "v", longest: 32, frames: 32 }), card("p", { start: 32 }));
  assert.equal(places(boards.resize(board, "clip", 99)), "clip0+32 p32+16");
  assert.equal(places(boards.resize(board, "clip", 1)), "clip0+4 p32+16");
  assert.equal(places(boards.resize(board, "p", 99)), "clip0+32 p32+100");
});

test("the left edge moves and the right one stays", () => {
  const board = boardOf(card("a"), card("p", { start: 24 }));
  assert.equal(places(boards.resizeLeft(board, "p", 17)), "a0+16 p16+24");
  assert.equal(places(boards.resizeLeft(board, "p", 99)), "a0+16 p36+4");
  assert.equal(places(boards.resizeLeft(board, "a", -5)), "a0+16 p24+16");
});

test("what is behind the last card stays there until it is taken away", () => {
  const board = boards.setEnd(boardOf(card("a")), 40);
  assert.equal(board.frames, 40);
  assert.equal(boards.resize(board, "a", 24).frames, 40);
  assert.equal(boards.resize(board, "a", 64).frames, 64);
  assert.equal(boards.setEnd(board, 0).frames, 16);
  assert.equal(boards.append(board, card("b")).cards[1]!.start, 40);
});

test("taking a card away leaves the gap, and forgets its prompt", () => {
  const board = boards.setGapPrompt(boardOf(card("a", { start: 8 }), card("b", { start: 40 })), "a", "lead");
  const left = boards.remove(board, "a");
  assert.equal(places(left), "b40+16");
  assert.deepEqual(left.gapPrompts, {});
  assert.equal(boards.remove(left, "b").frames, 0);
});

test("a gap grows and shrinks, and what lies behind it moves along", () => {
  const board = boards.setEnd(boardOf(card("a"), card("b", { start: 20 })), 48);
  assert.equal(places(boards.resizeGap(board, "a", 16)), "a16+16 b36+16");
  assert.equal(boards.resizeGap(board, "a", 16).frames, 64);
  assert.equal(places(boards.resizeGap(board, "b", -5)), "a0+16 b16+16");
  assert.equal(boards.resizeGap(board, boards.END, 0).frames, 36);
  assert.deepEqual(
    ["a", "b", boards.END].map((key) => boards.gapBefore(board, key)),
    [0, 4, 12],
  );
});

test("a clip begins later, and comes back as far as it goes", () => {
  const board = boardOf(card("clip", { video: "v", longest: 32, start: 8, frames: 32 }));
  const later = boards.resizeLeft(board, "clip", 20);
  assert.equal(places(later), "clip20+20");
  assert.equal(later.cards[0]!.offset, 12);
  assert.equal(places(boards.resize(later, "clip", 99)), "clip20+20");
  const back = boards.resizeLeft(later, "clip", 0);
  assert.equal(places(back), "clip8+32");
  assert.equal(back.cards[0]!.offset, 0);
});

test("what is left out of a clip's beginning moves nothing", () => {
  const board = boardOf(card("clip", { video: "v", longest: 32, frames: 24 }), card("p", { start: 32 }));
  const trimmed = boards.leaveOut(board, "clip", 9);
  assert.equal(places(trimmed), "clip0+16 p32+16");
  assert.equal(trimmed.cards[0]!.offset, 8);
  assert.equal(places(boards.leaveOut(trimmed, "clip", 99)), "clip0+4 p32+16");
  assert.equal(places(boards.leaveOut(trimmed, "clip", -4)), "clip0+24 p32+16");
  assert.equal(places(boards.leaveOut(board, "p", 8)), "clip0+24 p32+16");
});

test("what is cut in two shows the same as before", () => {
  const board = boardOf(card("clip", { video: "v", longest: 32, frames: 32 }), card("p", { start: 32 }));
  const cut = boards.split(board, "clip", 13, "second");
  assert.equal(places(cut), "clip0+12 second12+20 p32+16");
  assert.equal(cut.cards[1]!.offset, 12);
  assert.equal(cut.cards[1]!.joint, "cut");
  assert.equal(places(boards.split(cut, "second", 20, "third")), "clip0+12 second12+8 third20+12 p32+16");
  assert.equal(boards.split(cut, "second", 20, "third").cards[2]!.offset, 20);
  assert.equal(boards.split(board, "clip", 0, "second"), board);
  assert.equal(boards.split(board, "none", 8, "second"), board);
  assert.equal(boards.split(board, "p", 40, "second").cards[2]!.offset, undefined);
});

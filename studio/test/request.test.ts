import assert from "node:assert/strict";
import { test } from "node:test";
import { resizeGap, setEnd, setGapPrompt } from "../src/board/board.ts";
import { problemOf, storyboardRequest } from "../src/board/request.ts";
import { spansOf } from "../src/board/spans.ts";
import { boardOf, card } from "./boards.ts";

const said = (id: string): string => ({ ball: "a red ball falls", picture: "" })[id] ?? "";
const clip = (key: string, values = {}) => card(key, { video: "ball", longest: 32, frames: 32, prompt: "", ...values });

test("a gap between two clips is filled, room at the ends is extended", () => {
  const board = setEnd(resizeGap(boardOf(clip("a"), clip("b", { start: 48 })), "a", 16), 112);
  assert.deepEqual(
    spansOf(board).map(({ gap, start, frames }) => [gap, start, frames]),
    [
      ["before", 0, 16],
      [null, 16, 32],
      ["between", 48, 16],
      [null, 64, 32],
      ["after", 96, 16],
    ],
  );
});

test("scenes follow each other without gaps, in seconds", () => {
  const board = setGapPrompt(boardOf(clip("a"), clip("b", { start: 48 })), "b", "it rolls away");
  assert.deepEqual(storyboardRequest(board, 5, said), {
    size: "128x128",
    fps: 16,
    seed: 5,
    scenes: [
      { start: 0, seconds: 2, prompt: "a red ball falls", video: { id: "ball" } },
      { start: 2, seconds: 1, prompt: "it rolls away", transition: "continue" },
      { start: 3, seconds: 2, prompt: "a red ball falls", video: { id: "ball" }, transition: "continue" },
    ],
  });
});

test("known footage cannot go on from what it touches: there is a cut", () => {
  const [, touching] = storyboardRequest(boardOf(clip("a"), clip("b", { start: 32 })), 5, said).scenes;
  assert.equal(touching?.transition, "cut");
  const dissolving = boardOf(clip("a"), clip("b", { start: 32, joint: "dissolve" }));
  assert.equal(storyboardRequest(dissolving, 5, said).scenes[1]?.transition, "dissolve");
});

test("a prompt may go on, cut or dissolve", () => {
  for (const joint of ["continue", "cut", "dissolve"] as const) {
    const board = boardOf(clip("a"), card("p", { start: 32, joint }));
    assert.equal(storyboardRequest(board, 5, said).scenes[1]?.transition, joint);
  }
});

test("a gap without a prompt takes that of what lies before it, else after", () => {
  const board = resizeGap(boardOf(card("p"), clip("a", { start: 32 })), "p", 16);
  assert.deepEqual(
    storyboardRequest(board, 5, said).scenes.map(({ prompt }) => prompt),
    ["prompt of p", "prompt of p", "prompt of p", "a red ball falls"],
  );
});

test("what cannot be made says why", () => {
  assert.equal(problemOf(boardOf(), said), "problemEmpty");
  assert.equal(problemOf(boardOf(card("p", { prompt: " " })), said), "problemUnsaid");
  assert.equal(problemOf(boardOf(card("p", { frames: 340 })), said), "problemLongPart");
  const long = Array.from({ length: 7 }, (_, index) => card(`p${index}`, { start: 320 * index, frames: 320 }));
  assert.equal(problemOf(boardOf(...long), said), "problemLong");
  assert.equal(problemOf(boardOf(...long.slice(0, 6)), said), null);
  assert.equal(problemOf(boardOf(card("p")), said), null);
  assert.equal(problemOf(setEnd(boardOf(clip("a", { video: "picture" })), 64), said), "problemUnsaid");
});

test("a video of which nothing was said is sent without a prompt", () => {
  const [scene] = storyboardRequest(boardOf(clip("a", { video: "picture" })), 5, said).scenes;
  assert.deepEqual(scene, { start: 0, seconds: 2, video: { id: "picture" } });
});

test("what is left out of a clip's beginning is said in seconds", () => {
  const scenes = storyboardRequest(
    boardOf(clip("a", { video: "v", longest: 32, offset: 8, frames: 24 })),
    5,
    said,
  ).scenes;
  assert.equal(scenes[0]?.offset, 0.5);
  assert.equal(storyboardRequest(boardOf(clip("a")), 5, said).scenes[0]?.offset, undefined);
});

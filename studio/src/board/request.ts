/** A board as what the server is asked for. */

import type { SceneRequest, StoryboardRequest } from "../api/types.ts";
import type { Text } from "../text/en.ts";
import type { Board } from "./board.ts";
import { spansOf, type Span } from "./spans.ts";

/** What the server takes: so much in all, so much at once. */
const MAX_SECONDS = 120;
const MAX_PART_SECONDS = 20;

export function storyboardRequest(board: Board, seed: number, promptOf: (id: string) => string): StoryboardRequest {
  const spans = spansOf(board);
  const scenes = spans.map((span, index) => scene(board, span, promptFor(spans, index, promptOf)));
  return { size: board.size, fps: board.fps, seed, scenes };
}

/** What stands in the way of making a board, if anything does. */
export function problemOf(board: Board, promptOf: (id: string) => string): Text | null {
  const spans = spansOf(board);
  if (spans.length === 0) return "problemEmpty";
  if (board.frames / board.fps > MAX_SECONDS) return "problemLong";
  if (spans.some(({ frames }) => frames / board.fps > MAX_PART_SECONDS)) return "problemLongPart";
  const isSaid = spans.every((span, index) => span.card?.video || promptFor(spans, index, promptOf));
  return isSaid ? null : "problemUnsaid";
}

/** The prompt of a span: its own, or what was said of its video; where something is made, else that of the nearest
 * span before, then after. */
export function promptFor(spans: readonly Span[], index: number, promptOf: (id: string) => string): string {
  const own = (span: Span | undefined): string => {
    if (span === undefined) return "";
    return span.prompt.trim() || (span.card?.video ? promptOf(span.card.video).trim() : "");
  };
  if (spans[index]?.card?.video) return own(spans[index]);
  const before = spans.slice(0, index + 1).toReversed();
  return [...before, ...spans.slice(index + 1)].map(own).find((prompt) => prompt !== "") ?? "";
}

function scene(board: Board, span: Span, prompt: string): SceneRequest {
  return {
    start: span.start / board.fps,
    seconds: span.frames / board.fps,
    ...(prompt === "" ? {} : { prompt }),
    ...(span.card?.video ? { video: { id: span.card.video } } : {}),
    ...(span.card?.offset ? { offset: span.card.offset / board.fps } : {}),
    ...(span.joint === null ? {} : { transition: span.joint }),
  };
}

/** A board as the spans that follow one another on it: cards, and the gaps that are made. */

import type { Transition } from "../api/types.ts";
import { END, endOf, type Board, type Card } from "./board.ts";

/** What is made where no card lies: what leads to the first, joins two, or goes on from the last. */
export type Gap = "before" | "between" | "after";

export interface Span {
  readonly key: string;
  readonly start: number;
  readonly frames: number;
  readonly card: Card | null;
  readonly gap: Gap | null;
  readonly prompt: string;
  /** How it follows the span before; null for the first. */
  readonly joint: Transition | null;
  /** Which joints make sense here. */
  readonly joints: readonly Transition[];
}

export const gapKey = (key: string): string => `gap-${key}`;

export function spansOf(board: Board): readonly Span[] {
  const spans: Span[] = [];
  let end = 0;
  for (const card of board.cards) {
    if (card.start > end) spans.push(gapSpan(board, card.key, end, card.start));
    spans.push(cardSpan(card, spans.at(-1)));
    end = endOf(card);
  }
  if (board.frames > end) spans.push(gapSpan(board, END, end, board.frames));
  return spans;
}

export function spanAt(board: Board, frame: number): Span | undefined {
  return spansOf(board).find((span) => frame < span.start + span.frames);
}

function gapSpan(board: Board, next: string, start: number, end: number): Span {
  const gap = next === END ? "after" : start === 0 ? "before" : "between";
  const joint = start === 0 ? null : "continue";
  const prompt = board.gapPrompts[next] ?? "";
  return { key: gapKey(next), start, frames: end - start, card: null, gap, prompt, joint, joints: [] };
}

function cardSpan(card: Card, before: Span | undefined): Span {
  const { key, start, frames, prompt } = card;
  const joints = before === undefined || before.card === null ? [] : jointsBetween(card);
  const fallback = joints[0] ?? "continue";
  const joint = joints.includes(card.joint) ? card.joint : fallback;
  return { key, start, frames, card, gap: null, prompt, joint: before === undefined ? null : joint, joints };
}

/** Two that touch are cut or dissolve into each other; only what is made can also go on from what is there. */
function jointsBetween(card: Card): readonly Transition[] {
  return card.video === null ? ["continue", "cut", "dissolve"] : ["cut", "dissolve"];
}

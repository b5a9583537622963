/** What keys do with the part of the timeline that is chosen. */

import {
  type Board,
  change,
  END,
  GRID,
  leaveOut,
  move,
  offsetOf,
  remove,
  resize,
  resizeGap,
  split,
} from "../../board/board.ts";
import type { Span } from "../../board/spans.ts";
import { nameOf } from "../../parts/keys.ts";
import { secondsText } from "../../state/naming.ts";
import { t } from "../../text/translate.ts";
import { titleOfSpan } from "./names.ts";
import { apply, board, chosen, playhead, spans, spoken } from "./state.ts";

export const PROMPT_FIELD = "part-prompt";

export function press(event: KeyboardEvent, span: Span): void {
  const action = ACTIONS[nameOf(event)];
  if (action === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  action(span);
}

const ACTIONS: Readonly<Record<string, (span: Span) => void>> = {
  ArrowLeft: (span) => choose(beside(span, -1)),
  ArrowRight: (span) => choose(beside(span, 1)),
  Home: () => choose(spans.value[0]),
  End: () => choose(spans.value.at(-1)),
  "Shift+ArrowLeft": (span) => shift(span, -GRID),
  "Shift+ArrowRight": (span) => shift(span, GRID),
  "[": (span) => lengthen(span, -GRID),
  "]": (span) => lengthen(span, GRID),
  "{": (span) => trim(span, -GRID),
  "}": (span) => trim(span, GRID),
  s: cut,
  S: cut,
  j: cycleJoint,
  J: cycleJoint,
  Enter: () => document.getElementById(PROMPT_FIELD)?.focus(),
  Delete: takeAway,
  Backspace: takeAway,
};

/** Choose a part, and show it. */
export function choose(span: Span | undefined): void {
  if (span === undefined) return;
  chosen.value = span.key;
  const isShown = playhead.value >= span.start && playhead.value < span.start + span.frames;
  if (!isShown) playhead.value = span.start;
}

const beside = (span: Span, step: -1 | 1): Span | undefined =>
  spans.value[spans.value.findIndex(({ key }) => key === span.key) + step];

function shift({ card, key, start }: Span, frames: number): void {
  if (card === null) return;
  apply(move(board.value, key, start + frames));
  tell("cardMoved", (span) => span.start);
}

function lengthen(span: Span, frames: number): void {
  apply(withLength(span, span.frames + frames));
  tell("cardResized", (changed) => changed.frames);
}

/** Leave out more of a clip's beginning, or less. */
function trim({ card, key }: Span, frames: number): void {
  if (card === null) return;
  apply(leaveOut(board.value, key, offsetOf(card) + frames));
  tell("cardResized", (changed) => changed.frames);
}

/** Cut a card in two under the playhead; the second part is chosen. */
export function cut({ card, key }: Span): void {
  const second = crypto.randomUUID();
  const changed = split(board.value, key, playhead.value, second);
  if (card === null || changed === board.value) return;
  apply(changed);
  chosen.value = second;
  spoken.value = t("cardCut");
}

/** The board with a part so many frames long. */
export function withLength(span: Span, frames: number): Board {
  if (span.card !== null) return resize(board.value, span.key, frames);
  return resizeGap(board.value, followerOf(span), frames);
}

/** The card before which a gap lies. */
export const followerOf = (gap: Span): string =>
  board.value.cards.find(({ start }) => start === gap.start + gap.frames)?.key ?? END;

export function cycleJoint({ key, joint, joints }: Span): void {
  const next = joint === null ? undefined : joints[(joints.indexOf(joint) + 1) % joints.length];
  if (next !== undefined) apply(change(board.value, key, (card) => ({ ...card, joint: next })));
}

/** Take a card away, or close a gap; what lies beside it is chosen. */
export function takeAway(span: Span): void {
  const at = spans.value.findIndex(({ key }) => key === span.key);
  apply(span.card === null ? resizeGap(board.value, followerOf(span), 0) : remove(board.value, span.key));
  chosen.value = spans.value[Math.min(at, spans.value.length - 1)]?.key ?? null;
}

function tell(text: "cardMoved" | "cardResized", frames: (span: Span) => number): void {
  const span = spans.value.find(({ key }) => key === chosen.value);
  if (span === undefined) return;
  const seconds = secondsText(frames(span) / board.value.fps);
  spoken.value = t(text, { title: titleOfSpan(span), seconds });
}

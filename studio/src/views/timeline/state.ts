/** The board that is being laid out: kept in this browser, with a past to go back to. */

import { computed, signal } from "@preact/signals";
import { isPicture, type Video } from "../../api/types.ts";
import { storyboard } from "../../api/videos.ts";
import { append, emptyBoard, GRID, place, type Board, type Card } from "../../board/board.ts";
import { advance, begin, redo, undo, type History } from "../../board/history.ts";
import { problemOf, storyboardRequest } from "../../board/request.ts";
import { spansOf } from "../../board/spans.ts";
import { randomSeed } from "../../state/draft.ts";
import { loopLater } from "../../state/afterwards.ts";
import { put, videoOf } from "../../state/gallery.ts";
import { attempt, say } from "../../state/notices.ts";
import { remembered } from "../../state/settings.ts";
import { t } from "../../text/translate.ts";

const FPS = 16;
const NEW_CARD_SECONDS = 2;

const kept = remembered<Board>("tenku.board", emptyBoard("160x96", FPS));
const history = signal<History<Board>>(begin(kept.value));
/** What is shown while something is dragged: not yet part of the past. */
const tried = signal<Board | null>(null);

export const board = computed(() => tried.value ?? history.value.present);
export const spans = computed(() => spansOf(board.value));
export const canUndo = computed(() => history.value.past.length > 0);
export const canRedo = computed(() => history.value.future.length > 0);

/** The key of the span that is chosen. */
export const chosen = signal<string | null>(null);
export const chosenSpan = computed(() => spans.value.find(({ key }) => key === chosen.value));
export const playhead = signal(0);
/** The video that was last made from the board. */
export const made = remembered<string | null>("tenku.made", null);
/** What a screen reader is told of changes that others see. */
export const spoken = signal("");

const promptOf = (id: string): string => videoOf(id)?.prompt ?? "";

export const problem = computed(() => problemOf(board.value, promptOf));

let lastChange = "";

/** Change the board. Changes with the same `name` right after each other are undone as one. */
export function apply(changed: Board, name = ""): void {
  tried.value = null;
  set(advance(history.value, changed, name !== "" && name === lastChange));
  lastChange = name;
}

/** Show a change without making it, until `apply` does; null: show the board again. */
export function attemptBoard(changed: Board | null): void {
  tried.value = changed;
}

export function goBack(): void {
  set(undo(history.value));
}

export function goForward(): void {
  set(redo(history.value));
}

function set(next: History<Board>): void {
  lastChange = "";
  history.value = next;
  kept.value = next.present;
  playhead.value = Math.min(playhead.value, Math.max(0, next.present.frames - 1));
}

export function startAnew(): void {
  apply(emptyBoard(board.value.size, FPS));
  chosen.value = null;
}

/** Put a video behind everything, or at a frame. */
export function addToTimeline(video: Video, at: number | null = null): void {
  const isFirst = board.value.cards.length === 0;
  const target = isFirst ? { ...board.value, size: video.native_size ?? video.size } : board.value;
  add(target, cardOf(video, target.fps), at);
}

export function addPrompt(at: number | null = null, prompt = ""): void {
  add(board.value, { ...blank(), prompt, frames: NEW_CARD_SECONDS * board.value.fps }, at);
}

function add(target: Board, card: Card, at: number | null): void {
  apply(at === null ? append(target, card) : place(target, { ...card, start: at }));
  chosen.value = card.key;
}

function cardOf(video: Video, fps: number): Card {
  if (isPicture(video)) return { ...blank(), video: video.id, frames: NEW_CARD_SECONDS * fps };
  const frames = Math.floor(((video.num_frames / video.fps) * fps) / GRID) * GRID;
  const length = Math.max(GRID, frames);
  return { ...blank(), video: video.id, frames: length, longest: length, joint: "cut" };
}

const blank = (): Card => ({
  key: crypto.randomUUID(),
  video: null,
  longest: null,
  start: 0,
  frames: GRID,
  prompt: "",
  joint: "continue",
});

export const isSending = signal(false);

/** Have the board made, and closed into a loop afterwards if that is asked for. */
export async function makeVideo(): Promise<void> {
  if (problem.value !== null || isSending.value) return;
  isSending.value = true;
  const video = await attempt(() => storyboard(storyboardRequest(board.value, randomSeed(), promptOf)));
  isSending.value = false;
  if (video === undefined) return;
  put(video);
  made.value = video.id;
  if (board.value.isLoop) loopLater(video.id);
  say(t("madeFromHere"));
}

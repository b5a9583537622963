/** A board: cards on one track of time. Everything that no card covers is generated. All times are in frames. */

import type { Transition } from "../api/types.ts";

export interface Card {
  readonly key: string;
  /** The video or picture that lies here; null where it is made from the prompt. */
  readonly video: string | null;
  /** The most frames that it can cover: what the clip has. Prompts and pictures can cover any number. */
  readonly longest: number | null;
  readonly start: number;
  readonly frames: number;
  /** How many frames of the clip are left out at its beginning; none unless it says so. */
  readonly offset?: number;
  readonly prompt: string;
  /** How it follows what it touches. */
  readonly joint: Transition;
}

export interface Board {
  readonly fps: number;
  readonly size: string;
  readonly isLoop: boolean;
  /** In their order, never overlapping. */
  readonly cards: readonly Card[];
  /** Where the board ends: no card goes further. */
  readonly frames: number;
  /** Prompts of the gaps, by the key of the card that follows, or "end". */
  readonly gapPrompts: Readonly<Record<string, string>>;
}

/** The model makes frames in groups of this many; edges of cards lie between groups. */
export const GRID = 4;
export const END = "end";

export const emptyBoard = (size: string, fps: number): Board => ({
  fps,
  size,
  isLoop: false,
  cards: [],
  frames: 0,
  gapPrompts: {},
});

export const endOf = (card: Card): number => card.start + card.frames;

export const offsetOf = (card: Card): number => card.offset ?? 0;

export const lastEnd = (board: Board): number => Math.max(0, ...board.cards.map(endOf));

export const onGrid = (frames: number): number => Math.round(frames / GRID) * GRID;

export function cardAt(board: Board, key: string): Card | undefined {
  return board.cards.find((card) => card.key === key);
}

/** The board with a card more, or with a card elsewhere: it comes where it was put, others make room. */
export function place(board: Board, card: Card): Board {
  const put = { ...card, start: Math.max(0, onGrid(card.start)) };
  const others = board.cards.filter((other) => other.key !== card.key);
  const before = others.filter((other) => middle(other) < middle(put));
  const after = others.filter((other) => middle(other) >= middle(put));
  return settled(board, [...before, put, ...after]);
}

/** The board with a card behind everything that is there. */
export function append(board: Board, card: Card): Board {
  return settled(board, [...board.cards, { ...card, start: board.frames }]);
}

export function move(board: Board, key: string, start: number): Board {
  const card = cardAt(board, key);
  return card === undefined ? board : place(board, { ...card, start });
}

/** The board with its card and the neighbour on that side in each other's place. */
export function swap(board: Board, key: string, direction: -1 | 1): Board {
  const at = board.cards.findIndex((card) => card.key === key);
  const [first, second] = [board.cards[Math.min(at, at + direction)], board.cards[Math.max(at, at + direction)]];
  if (at < 0 || first === undefined || second === undefined) return board;
  const start = first.start;
  const rest = board.cards.filter((card) => card !== first && card !== second);
  const changed = [
    { ...second, start },
    { ...first, start: endOf(second) - second.start + start + (second.start - endOf(first)) },
  ];
  return settled(
    board,
    [...rest, ...changed].sort((a, b) => a.start - b.start),
  );
}

export function resize(board: Board, key: string, frames: number): Board {
  return change(board, key, (card) => {
    const most = card.longest === null ? Infinity : card.longest - offsetOf(card);
    return { ...card, frames: Math.max(GRID, Math.min(onGrid(frames), most)) };
  });
}

/** Move the left edge of a card; its right edge stays. Of a clip, its beginning is left out or comes back. */
export function resizeLeft(board: Board, key: string, start: number): Board {
  return change(board, key, (card) => {
    const end = endOf(card);
    const least = card.longest === null ? 0 : Math.max(0, card.start - offsetOf(card));
    const at = Math.max(least, Math.min(onGrid(start), end - GRID));
    const changed = { ...card, start: at, frames: end - at };
    return card.longest === null ? changed : { ...changed, offset: offsetOf(card) + at - card.start };
  });
}

/** Leave out so many frames at the beginning of a clip, which stays where it is and ends as early as it gets. */
export function leaveOut(board: Board, key: string, frames: number): Board {
  return change(board, key, (card) => {
    if (card.longest === null) return card;
    const offset = Math.max(0, Math.min(onGrid(frames), offsetOf(card) + card.frames - GRID));
    return { ...card, offset, frames: card.frames + offsetOf(card) - offset };
  });
}

/** The board with a card cut in two at a frame, the second with a key of its own; a cut lies on the grid. */
export function split(board: Board, key: string, frame: number, newKey: string): Board {
  const at = onGrid(frame);
  const card = cardAt(board, key);
  if (card === undefined || at <= card.start || at >= endOf(card)) return board;
  const first = { ...card, frames: at - card.start };
  const cut = { ...card, key: newKey, start: at, frames: endOf(card) - at };
  const second: Card = card.longest === null ? cut : { ...cut, offset: offsetOf(card) + at - card.start };
  const cards = board.cards.flatMap((one) => (one.key === key ? [first, { ...second, joint: "cut" as const }] : [one]));
  return { ...board, cards };
}

export function change(board: Board, key: string, how: (card: Card) => Card): Board {
  return settled(
    board,
    board.cards.map((card) => (card.key === key ? how(card) : card)),
  );
}

export function remove(board: Board, key: string): Board {
  const { [key]: _forgotten, ...gapPrompts } = board.gapPrompts;
  const left = { ...board, gapPrompts, cards: board.cards.filter((card) => card.key !== key) };
  const hadTail = board.frames > lastEnd(board);
  return { ...left, frames: hadTail ? board.frames : lastEnd(left) };
}

/** Where the board ends; what lies behind the last card is made to go on from it. */
export const setEnd = (board: Board, frames: number): Board => ({
  ...board,
  frames: Math.max(lastEnd(board), onGrid(frames)),
});

/** Make the gap before a card, or at the end, so many frames long; what lies behind it moves along. */
export function resizeGap(board: Board, key: string, frames: number): Board {
  const wanted = Math.max(0, onGrid(frames));
  if (key === END) return setEnd(board, lastEnd(board) + wanted);
  const at = board.cards.findIndex((card) => card.key === key);
  if (at < 0) return board;
  const change = wanted - gapBefore(board, key);
  const cards = board.cards.map((card, index) => (index < at ? card : { ...card, start: card.start + change }));
  return { ...board, cards, frames: board.frames + change };
}

/** How many frames are empty before a card, or at the end. */
export function gapBefore(board: Board, key: string): number {
  if (key === END) return board.frames - lastEnd(board);
  const at = board.cards.findIndex((card) => card.key === key);
  const before = board.cards[at - 1];
  return (board.cards[at]?.start ?? 0) - (before === undefined ? 0 : endOf(before));
}

export const setGapPrompt = (board: Board, key: string, prompt: string): Board => ({
  ...board,
  gapPrompts: { ...board.gapPrompts, [key]: prompt },
});

const middle = (card: Card): number => card.start + card.frames / 2;

/** Cards in the order given, each pushed behind the one before where they would overlap. */
function settled(board: Board, cards: readonly Card[]): Board {
  const hadTail = board.frames - lastEnd(board);
  let end = 0;
  const pushed = cards.map((card) => {
    const start = Math.max(card.start, end);
    end = start + card.frames;
    return { ...card, start };
  });
  return { ...board, cards: pushed, frames: hadTail > 0 ? Math.max(board.frames, end) : end };
}

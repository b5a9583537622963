/** Boards to try things on. */

import { emptyBoard, place, type Board, type Card } from "../src/board/board.ts";

export const card = (key: string, values: Partial<Card> = {}): Card => ({
  key,
  video: null,
  longest: null,
  start: 0,
  frames: 16,
  prompt: `prompt of ${key}`,
  joint: "continue",
  ...values,
});

export const boardOf = (...cards: Card[]): Board => cards.reduce(place, emptyBoard("128x128", 16));

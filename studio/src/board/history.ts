/** Values with a past to go back to. */

export interface History<T> {
  readonly past: readonly T[];
  readonly present: T;
  readonly future: readonly T[];
}

const MAX_PAST = 100;

export const begin = <T>(present: T): History<T> => ({ past: [], present, future: [] });

/** Go on to a next value. One that goes on with the change before, as in typing, is undone with it. */
export function advance<T>(history: History<T>, next: T, isSameChange = false): History<T> {
  if (next === history.present) return history;
  const past = isSameChange ? history.past : [...history.past, history.present].slice(-MAX_PAST);
  return { past, present: next, future: [] };
}

export function undo<T>({ past, present, future }: History<T>): History<T> {
  const before = past.at(-1);
  if (before === undefined) return { past, present, future };
  return { past: past.slice(0, -1), present: before, future: [present, ...future] };
}

export function redo<T>({ past, present, future }: History<T>): History<T> {
  const [next, ...rest] = future;
  return next === undefined ? { past, present, future } : { past: [...past, present], present: next, future: rest };
}

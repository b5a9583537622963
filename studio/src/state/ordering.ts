/** Lists of videos, newest first. */

interface Dated {
  readonly id: string;
  readonly created_at: number;
}

/** The list with a video in its new state, or as the newest of its second. */
export function withVideo<T extends Dated>(list: readonly T[], video: T): readonly T[] {
  const at = list.findIndex((other) => other.id === video.id);
  if (at >= 0) return list.with(at, video);
  const before = list.findIndex((other) => other.created_at <= video.created_at);
  return list.toSpliced(before < 0 ? list.length : before, 0, video);
}

export const without = <T extends Dated>(list: readonly T[], id: string): readonly T[] =>
  list.filter((video) => video.id !== id);

/** Frames and the times at which they are shown. */

/** The middle of a frame: its edges may be rounded to the frame beside it. */
export const timeOf = (frame: number, fps: number): number => (frame + 0.5) / fps;

export const frameAt = (seconds: number, fps: number, total: number): number =>
  Math.max(0, Math.min(total - 1, Math.floor(seconds * fps + 0.01)));

/** A <video> as frames: which one is shown, and how to get to another. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { RefObject } from "preact";
import { frameAt, timeOf } from "./frames.ts";

export interface Playback {
  readonly frame: number;
  readonly isPlaying: boolean;
  toggle(): void;
  seek(frame: number): void;
  step(by: number): void;
}

export function usePlayback(element: RefObject<HTMLVideoElement | null>, fps: number, total: number): Playback {
  const [frame, setFrame] = useState(0);
  const [isPlaying, setPlaying] = useState(false);
  // Keys repeat faster than frames are shown: what was asked for last counts.
  const asked = useRef(0);
  useEffect(() => {
    const video = element.current;
    if (video === null) return;
    let request = 0;
    const show = (_now: number, { mediaTime }: { mediaTime: number }): void => {
      if (!video.seeking) {
        asked.current = frameAt(mediaTime, fps, total);
        setFrame(asked.current);
      }
      request = video.requestVideoFrameCallback(show);
    };
    const changed = (): void => setPlaying(!video.paused && !video.ended);
    request = video.requestVideoFrameCallback(show);
    for (const name of STATES) video.addEventListener(name, changed);
    return () => {
      video.cancelVideoFrameCallback(request);
      for (const name of STATES) video.removeEventListener(name, changed);
    };
  }, [element.current, fps, total]);
  return {
    frame,
    isPlaying,
    toggle() {
      const video = element.current;
      if (video === null) return;
      if (video.paused) video.play().catch(() => setPlaying(false));
      else video.pause();
    },
    seek,
    step: (by) => seek(asked.current + by),
  };

  function seek(wanted: number): void {
    const video = element.current;
    if (video === null) return;
    video.pause();
    asked.current = Math.max(0, Math.min(wanted, total - 1));
    setFrame(asked.current);
    video.currentTime = timeOf(asked.current, fps);
  }
}

const STATES = ["play", "pause", "ended"] as const;

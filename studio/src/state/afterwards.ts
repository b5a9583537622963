/** What is to be done with a video once it is there, even if the page was closed in between. */

import { isRunning, type Video } from "../api/types.ts";
import { loop } from "../api/videos.ts";
import { attempt } from "./notices.ts";
import { remembered } from "./settings.ts";

/** How long a video takes to come back to its start. */
export const LOOP_SECONDS = 1;

/** Ids of videos that are to be closed into loops. */
const toLoop = remembered<readonly string[]>("tenku.loops", []);

export function loopLater(id: string): void {
  toLoop.value = [...toLoop.value, id];
}

export function loopWhenDone(video: Video): void {
  if (isRunning(video) || !toLoop.value.includes(video.id)) return;
  toLoop.value = toLoop.value.filter((id) => id !== video.id);
  // Two open pages both ask; the server makes one.
  if (video.status === "completed")
    void attempt(() => loop(video.id, { prompt: "", seconds: LOOP_SECONDS }, `loop-${video.id}`));
}

/** What screen readers are told of videos that are finished or have failed. */

import { effect, signal } from "@preact/signals";
import type { Status, Video } from "../api/types.ts";
import { t } from "../text/translate.ts";
import { videos } from "./gallery.ts";
import { titleOf } from "./naming.ts";

export const announcement = signal("");

/** Announce whatever ends from now on. */
export function announceEndings(): void {
  let before = new Map<string, Status>();
  effect(() => {
    const ended = videos.value.find((video) => hasEnded(before.get(video.id), video));
    before = new Map(videos.value.map((video) => [video.id, video.status]));
    if (ended !== undefined) announcement.value = sentenceFor(ended);
  });
}

const hasEnded = (before: Status | undefined, { status, error }: Video): boolean =>
  (before === "queued" || before === "in_progress") &&
  (status === "completed" || (status === "failed" && error?.code !== "cancelled"));

function sentenceFor(video: Video): string {
  const title = titleOf(video);
  if (video.status === "completed") return t("announceDone", { title });
  return t("announceFailed", { title, reason: video.error?.message ?? "" });
}

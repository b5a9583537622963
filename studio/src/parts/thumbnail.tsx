/** A still of a video, or while it is made its newest frame. */

import type { JSX } from "preact";
import { isRunning, type Video } from "../api/types.ts";
import { previewOf } from "../state/gallery.ts";
import { useMedia } from "../state/media.ts";

export function Thumbnail({ video, alt = "" }: { video: Video; alt?: string }): JSX.Element {
  const still = useMedia(video.status === "completed" ? video.id : null, "thumbnail");
  const source = isRunning(video) ? previewOf(video.id).value : still;
  if (source === null) return <span class="unseen-yet" aria-hidden="true" />;
  return <img class="fade-in" src={source} alt={alt} draggable={false} loading="lazy" decoding="async" />;
}

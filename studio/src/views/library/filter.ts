/** Which videos of the library are shown. */

import type { Video } from "../../api/types.ts";

export interface Filter {
  readonly query: string;
  readonly origin: "all" | "made" | "uploads";
}

/** Whether a video has all words of the query, and comes from where is asked. */
export function fits(video: Pick<Video, "kind" | "prompt" | "title">, { query, origin }: Filter): boolean {
  const isUpload = video.kind === "upload";
  if (origin === "made" && isUpload) return false;
  if (origin === "uploads" && !isUpload) return false;
  const text = `${video.title ?? ""} ${video.prompt ?? ""}`.toLowerCase();
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

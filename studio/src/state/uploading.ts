/** Files from this machine into the library. */

import type { Video } from "../api/types.ts";
import { upload } from "../api/videos.ts";
import { t } from "../text/translate.ts";
import { put } from "./gallery.ts";
import { attempt, say } from "./notices.ts";
import { linkToVideo } from "./route.ts";

export const ACCEPTED = "video/*,image/png,image/jpeg,image/webp";

export async function uploadAll(files: Iterable<File>): Promise<readonly Video[]> {
  const added: Video[] = [];
  for (const file of files) {
    say(t("uploading", { name: file.name }));
    const video = await attempt(() => upload(file));
    if (video === undefined) continue;
    put(video);
    added.push(video);
    say(t("uploaded", { name: file.name }), { label: t("viewVideo"), href: linkToVideo(video.id) });
  }
  return added;
}

/** Let the user choose files. */
export function chooseFiles(accept: string, isMany = false): Promise<readonly File[]> {
  return new Promise((resolve) => {
    const input = document.createElement("input");
    input.type = "file";
    input.accept = accept;
    input.multiple = isMany;
    input.addEventListener("change", () => resolve([...(input.files ?? [])]));
    input.addEventListener("cancel", () => resolve([]));
    input.click();
  });
}

/** Hand a file to the user. */
export function saveFile(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

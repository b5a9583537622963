/** Addresses that <img> and <video> can load, with or without a key. */

import { useEffect, useState } from "preact/hooks";
import { send } from "../api/client.ts";
import { contentPath } from "../api/videos.ts";
import { apiKey } from "./settings.ts";

const MAX_KEPT = 80;
const kept = new Map<string, Promise<string>>();

/** The address of what a video shows, null until it is there. Elements cannot send a key, so with one the file is
 * fetched first. */
export function useMedia(id: string | null, variant: "video" | "thumbnail"): string | null {
  const path = id === null ? null : contentPath(id, variant);
  const [loaded, setLoaded] = useState<{ path: string; url: string } | null>(null);
  const needsKey = apiKey.value !== "";
  useEffect(() => {
    if (path === null || !needsKey) return;
    let isWanted = true;
    fetched(path).then(
      (url) => isWanted && setLoaded({ path, url }),
      () => isWanted && setLoaded(null),
    );
    return () => {
      isWanted = false;
    };
  }, [path, needsKey]);
  if (path === null || !needsKey) return path;
  return loaded?.path === path ? loaded.url : null;
}

export async function fetchFile(id: string, variant: "video" | "latents"): Promise<Blob> {
  return (await send(contentPath(id, variant))).blob();
}

function fetched(path: string): Promise<string> {
  const known = kept.get(path);
  const url = known ?? send(path).then(async (response) => URL.createObjectURL(await response.blob()));
  kept.delete(path);
  kept.set(path, url);
  if (known === undefined) {
    url.catch(() => kept.delete(path));
    forgetOldest();
  }
  return url;
}

function forgetOldest(): void {
  const [oldest] = kept;
  if (kept.size <= MAX_KEPT || oldest === undefined) return;
  kept.delete(oldest[0]);
  void oldest[1].then((url) => URL.revokeObjectURL(url));
}

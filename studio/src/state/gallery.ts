/** All videos that the server keeps for this key, as they are now. */

import { computed, signal, type Signal } from "@preact/signals";
import type { Video } from "../api/types.ts";
import { isRunning } from "../api/types.ts";
import { listVideos, retrieve } from "../api/videos.ts";
import { without, withVideo } from "./ordering.ts";

const PAGE = 60;

/** Newest first. */
export const videos = signal<readonly Video[]>([]);
export const hasMore = signal(false);
export const isLoaded = signal(false);
/** Parents that lie further back than what has been listed. */
const elsewhere = signal<ReadonlyMap<string, Video>>(new Map());

const byId = computed(() => new Map(videos.value.map((video) => [video.id, video])));

export const running = computed(() => videos.value.filter(isRunning));
export const finished = computed(() => videos.value.filter((video) => video.status === "completed"));

export const videoOf = (id: string): Video | undefined => byId.value.get(id) ?? elsewhere.value.get(id);

/** List again as many as were listed before. */
export async function refresh(): Promise<void> {
  const wanted = Math.max(PAGE, videos.value.length);
  let listed: readonly Video[] = [];
  let after: string | null = null;
  do {
    const page = await listVideos(Math.min(100, wanted - listed.length), after);
    listed = [...listed, ...page.data];
    hasMore.value = page.has_more;
    after = page.has_more ? page.last_id : null;
  } while (after !== null && listed.length < wanted);
  videos.value = listed;
  isLoaded.value = true;
}

let loading: Promise<void> | null = null;

export function loadMore(): Promise<void> {
  loading ??= (async () => {
    try {
      const page = await listVideos(PAGE, videos.value.at(-1)?.id ?? null);
      const known = byId.value;
      videos.value = [...videos.value, ...page.data.filter((video) => !known.has(video.id))];
      hasMore.value = page.has_more;
    } finally {
      loading = null;
    }
  })();
  return loading;
}

/** Make sure that a video is known, wherever in the list it lies. */
export async function ensure(id: string): Promise<void> {
  if (videoOf(id) !== undefined) return;
  const video = await retrieve(id);
  elsewhere.value = new Map(elsewhere.value).set(id, video);
}

export function put(video: Video): void {
  if (elsewhere.value.has(video.id)) elsewhere.value = new Map(elsewhere.value).set(video.id, video);
  const oldest = videos.value.at(-1);
  const isOlder = hasMore.value && oldest !== undefined && video.created_at < oldest.created_at;
  if (!isOlder) videos.value = withVideo(videos.value, video);
  if (!isRunning(video)) previews.delete(video.id);
}

export function drop(id: string): void {
  videos.value = without(videos.value, id);
  const others = new Map(elsewhere.value);
  others.delete(id);
  elsewhere.value = others;
}

const previews = new Map<string, Signal<string | null>>();

/** The newest frame of a video that is being made, as an image address. */
export function previewOf(id: string): Signal<string | null> {
  const known = previews.get(id) ?? signal<string | null>(null);
  previews.set(id, known);
  return known;
}

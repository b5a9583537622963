/** Where one is, kept in the address so that back, forward and reload do what they say. */

import { signal } from "@preact/signals";

export type Place = "library" | "timeline" | "live" | "verify";

export interface Route {
  readonly place: Place;
  /** The video whose details are open. */
  readonly video: string | null;
}

export const route = signal(parseRoute(location.hash));

addEventListener("hashchange", () => {
  route.value = parseRoute(location.hash);
});

export function parseRoute(hash: string): Route {
  const [place = "", id = ""] = hash.replace(/^#\/?/, "").split("/");
  if (place === "video" && id) return { place: "library", video: decodeURIComponent(id) };
  if (place === "timeline" || place === "live" || place === "verify") return { place, video: null };
  return { place: "library", video: null };
}

export const linkTo = (place: Place): string => (place === "library" ? "#/" : `#/${place}`);
export const linkToVideo = (id: string): string => `#/video/${encodeURIComponent(id)}`;

export function go(hash: string): void {
  location.hash = hash;
}

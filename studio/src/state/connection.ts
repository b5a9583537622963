/** Keeps the gallery as the server has it, for as long as somebody looks at the page. */

import { effect, signal } from "@preact/signals";
import { send } from "../api/client.ts";
import { follow, type ServerEvent } from "../api/events.ts";
import type { Video } from "../api/types.ts";
import { loopWhenDone } from "./afterwards.ts";
import { drop, previewOf, put, refresh } from "./gallery.ts";
import { loadModel } from "./model.ts";
import { apiKey } from "./settings.ts";

export const isConnected = signal(true);

/** Follow the server while the page is visible; a browser keeps few connections to one host. */
export function connect(): void {
  let stop = new AbortController();
  const restart = (): void => {
    stop.abort();
    stop = new AbortController();
    if (document.visibilityState === "visible") void follow(listener, stop.signal);
  };
  document.addEventListener("visibilitychange", restart);
  effect(() => {
    void apiKey.value;
    restart();
  });
}

const listener = {
  open(lastId: string | null, signal: AbortSignal): Promise<Response> {
    const headers = { accept: "text/event-stream", ...(lastId === null ? {} : { "last-event-id": lastId }) };
    return send("/v1/events", { headers, signal });
  },
  async opened(): Promise<void> {
    await Promise.all([refresh(), loadModel()]);
    isConnected.value = true;
  },
  event: receive,
  lost(): void {
    isConnected.value = false;
  },
};

function receive({ type, data }: ServerEvent): void {
  const value: unknown = JSON.parse(data);
  if (type === "video") {
    put(value as Video);
    loopWhenDone(value as Video);
  }
  if (type === "preview") {
    const { id, image } = value as { id: string; image: string };
    previewOf(id).value = image;
  }
  if (type === "deleted") drop((value as { id: string }).id);
}

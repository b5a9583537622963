/** A live session: frames arrive over a WebSocket, sentences go back. */

import { signal } from "@preact/signals";
import { startLive } from "../../api/videos.ts";
import { randomSeed } from "../../state/draft.ts";
import { complain } from "../../state/notices.ts";
import { apiKey } from "../../state/settings.ts";
import { t } from "../../text/translate.ts";

export interface Said {
  readonly text: string;
  readonly atFrame: number;
}

export const state = signal<"idle" | "starting" | "running" | "ended">("idle");
export const frames = signal(0);
export const said = signal<readonly Said[]>([]);
export const shape = signal<{ readonly width: number; readonly height: number; readonly fps: number } | null>(null);

type Show = (frame: ImageBitmap) => void;

let socket: WebSocket | null = null;

export async function start(prompt: string, size: string, show: Show): Promise<void> {
  stop();
  state.value = "starting";
  frames.value = 0;
  said.value = [{ text: prompt, atFrame: 0 }];
  try {
    const session = await startLive(prompt, size, randomSeed());
    if (state.value !== "starting") return;
    shape.value = session;
    listen(session.id, show);
  } catch (error) {
    state.value = "idle";
    complain(error);
  }
}

export function tell(prompt: string): void {
  socket?.send(JSON.stringify({ prompt }));
  said.value = [...said.value, { text: prompt, atFrame: frames.value }];
}

export function stop(): void {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ stop: true }));
  socket?.close();
  socket = null;
  if (state.value !== "idle") state.value = "ended";
}

function listen(id: string, show: Show): void {
  const url = new URL(`/v1/live/${encodeURIComponent(id)}`, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  if (apiKey.value !== "") url.searchParams.set("key", apiKey.value);
  const opened = new WebSocket(url);
  opened.binaryType = "blob";
  socket = opened;
  let drawn = Promise.resolve();
  opened.addEventListener("message", ({ data }) => {
    if (!(data instanceof Blob)) return complainOf(data);
    // One after the other: a small frame must not overtake a large one.
    drawn = drawn.then(async () => {
      show(await createImageBitmap(data));
      frames.value += 1;
      if (socket === opened) state.value = "running";
    });
  });
  opened.addEventListener("close", ({ wasClean }) => {
    if (socket !== opened) return;
    socket = null;
    state.value = "ended";
    if (!wasClean) complain(new Error(t("liveFailed")));
  });
}

/** What comes as text tells of an error. */
function complainOf(data: unknown): void {
  const { error } = JSON.parse(String(data)) as { error?: { message: string } };
  if (error !== undefined) complain(new Error(error.message));
}

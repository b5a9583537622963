/** Every call that the studio makes, by what it does. */

import type { Credentials, LiveSession, Model, Page, StoryboardRequest, Video } from "./types.ts";
import { language } from "../state/settings.ts";
import { getJson, send, sendForm, sendJson } from "./client.ts";

export interface Creation {
  readonly prompt: string;
  readonly size: string;
  readonly seconds: number;
  readonly seed: number;
  /** A picture that the video begins with. */
  readonly image?: Blob;
}

export const contentPath = (id: string, variant = "video"): string =>
  `/v1/videos/${encodeURIComponent(id)}/content${variant === "video" ? "" : `?variant=${variant}`}`;

const on = (id: string, verb: string): string => `/v1/videos/${encodeURIComponent(id)}/${verb}`;

export const listVideos = (limit: number, after: string | null): Promise<Page> =>
  getJson(`/v1/videos?limit=${limit}${after === null ? "" : `&after=${encodeURIComponent(after)}`}`);

export const retrieve = (id: string): Promise<Video> => getJson(`/v1/videos/${encodeURIComponent(id)}`);

/** The model that is asked, as soon as the server has said which it has. */
let model: string | undefined;

export async function listModels(): Promise<readonly Model[]> {
  const { data } = await getJson<{ data: readonly Model[] }>("/v1/models");
  model = data[0]?.id;
  return data;
}

const withModel = <T extends object>(body: T): T & { model?: string } =>
  model === undefined ? body : { ...body, model };

export function create({ prompt, size, seconds, seed, image }: Creation): Promise<Video> {
  const fields = withModel({ prompt, size, seconds: String(seconds) });
  if (image === undefined) return sendJson("/v1/videos", { ...fields, seed });
  return sendForm("/v1/videos", { ...fields, seed: String(seed), input_reference: image });
}

export const extend = (id: string, body: { prompt: string; seconds: number; before: boolean }): Promise<Video> =>
  sendJson("/v1/videos/extensions", withModel({ ...body, seconds: String(body.seconds), video: { id } }));

export const remix = (id: string, prompt: string, strength: number): Promise<Video> =>
  sendJson(on(id, "remix"), withModel({ prompt, strength }));

export function edit(id: string, prompt: string, strength: number, mask: Blob | null): Promise<Video> {
  if (mask === null) return sendJson("/v1/videos/edits", withModel({ video: { id }, prompt, strength }));
  const fields = withModel({ "video[id]": id, prompt, strength: String(strength) });
  return sendForm("/v1/videos/edits", { ...fields, mask: new File([mask], "mask.png") });
}

/** Close a video into a loop; the same `once` never makes two. */
export const loop = (id: string, body: { prompt: string; seconds: number }, once?: string): Promise<Video> =>
  sendJson(on(id, "loop"), withModel(withPrompt(body)), once === undefined ? {} : { once });

export const fill = (id: string, body: { prompt: string; start: number; end: number }): Promise<Video> =>
  sendJson(on(id, "fill"), withModel(withPrompt(body)));

export const blend = (first: string, second: string, body: { prompt: string; seconds: number }): Promise<Video> =>
  sendJson("/v1/videos/blends", withModel({ ...withPrompt(body), first: { id: first }, second: { id: second } }));

export const storyboard = (body: StoryboardRequest): Promise<Video> =>
  sendJson("/v1/videos/storyboards", withModel(body));

export const upload = (file: File): Promise<Video> => sendForm("/v1/videos/uploads", { file });

export const cancel = (id: string): Promise<Video> => sendJson(on(id, "cancel"), {});

export const rename = (id: string, title: string): Promise<Video> =>
  sendJson(`/v1/videos/${encodeURIComponent(id)}`, { title: title || null }, { method: "PATCH" });

export const remove = (id: string): Promise<Response> =>
  send(`/v1/videos/${encodeURIComponent(id)}`, { method: "DELETE" });

export const credentials = (id: string): Promise<Credentials> =>
  getJson(`${on(id, "credentials")}?language=${language.value}`);

export const verify = (file: File): Promise<Credentials> => sendForm(`/v1/verify?language=${language.value}`, { file });

export const startLive = (prompt: string, size: string, seed: number): Promise<LiveSession> =>
  sendJson("/v1/live", { prompt, size, seed });

/** Leave out a prompt that says nothing: the server then takes what was said of the video. */
function withPrompt<T extends { prompt: string }>({ prompt, ...rest }: T): Omit<T, "prompt"> & { prompt?: string } {
  return prompt.trim() ? { ...rest, prompt } : rest;
}

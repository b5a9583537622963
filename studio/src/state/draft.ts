/** The prompt that is being written, and how it is to be made. */

import { signal } from "@preact/signals";
import { create } from "../api/videos.ts";
import { say, attempt } from "./notices.ts";
import { put } from "./gallery.ts";
import { remembered } from "./settings.ts";
import { fitted } from "./fitting.ts";
import { t } from "../text/translate.ts";

export interface Options {
  readonly size: string;
  readonly scale: number;
  readonly seconds: number;
  readonly count: number;
  /** null: another one each time. */
  readonly seed: number | null;
}

export const prompt = remembered("tenku.prompt", "");
export const options = remembered<Options>("tenku.options", {
  size: "160x96",
  scale: 1,
  seconds: 2,
  count: 1,
  seed: null,
});
export const picture = signal<File | null>(null);
export const isSubmitting = signal(false);

const MAX_SEED = 2 ** 31 - 1;

export const randomSeed = (): number => Math.floor(Math.random() * MAX_SEED);

export function setOptions(changed: Partial<Options>): void {
  options.value = { ...options.value, ...changed };
}

/** A width and a height as "WxH". */
export const scaled = (size: string, scale: number): string =>
  size
    .split("x")
    .map((side) => Number(side) * scale)
    .join("x");

export const ratioOf = (size: string): number => {
  const [width = 1, height = 1] = size.split("x").map(Number);
  return width / height;
};

/** Send what is written, `count` times with seeds that count up. */
export async function submit(): Promise<void> {
  const { size, scale, seconds, count, seed } = options.value;
  const text = prompt.value.trim();
  if (text === "" || isSubmitting.value) return;
  isSubmitting.value = true;
  const first = seed ?? randomSeed();
  const asked = scaled(size, scale);
  const made = await attempt(async () => {
    const image = picture.value === null ? {} : { image: await fitted(picture.value, asked) };
    for (let index = 0; index < count; index += 1) {
      put(await create({ prompt: text, size: asked, seconds, seed: first + index, ...image }));
    }
    return count;
  });
  isSubmitting.value = false;
  if (made === undefined) return;
  picture.value = null;
  prompt.value = "";
  say(t("submitted", { count }));
}

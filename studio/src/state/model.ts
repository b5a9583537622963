/** What the server's model can make. */

import { computed, signal } from "@preact/signals";
import type { Model } from "../api/types.ts";
import { listModels } from "../api/videos.ts";

export const model = signal<Model | null>(null);

const USUAL_SIZES = ["128x128", "160x96", "96x160"];

export const sizes = computed(() => model.value?.sizes ?? USUAL_SIZES);
export const maxSeconds = computed(() => model.value?.max_seconds ?? 20);
export const fps = computed(() => model.value?.fps ?? 16);

export async function loadModel(): Promise<void> {
  model.value = (await listModels())[0] ?? null;
}

/** What things are called on the page. */

import type { Kind, Video } from "../api/types.ts";
import type { IconName } from "../parts/icon.tsx";
import type { Text } from "../text/en.ts";
import { t } from "../text/translate.ts";
import { language } from "./settings.ts";

export const titleOf = (video: Video): string => video.title || video.prompt?.trim() || t("untitled");

const KINDS: Record<Kind, readonly [Text, IconName]> = {
  generation: ["kindGeneration", "plus"],
  remix: ["kindRemix", "remix"],
  edit: ["kindEdit", "edit"],
  extension: ["kindExtension", "extend"],
  storyboard: ["kindStoryboard", "timeline"],
  loop: ["kindLoop", "loop"],
  fill: ["kindFill", "fill"],
  blend: ["kindBlend", "blend"],
  upload: ["kindUpload", "upload"],
  live: ["kindLive", "live"],
};

export const kindOf = (video: Video): string => t((KINDS[video.kind] ?? KINDS.generation)[0]);
export const kindIcon = (video: Video): IconName => (KINDS[video.kind] ?? KINDS.generation)[1];

/** What is being done with a video just now, and how far it is. */
export function stateOf(video: Video): string {
  if (video.status === "queued") {
    const before = video.queue_position;
    if (before === null) return t("queued");
    return before === 0 ? t("queuedNext") : t("queuedAt", { position: before });
  }
  const stage = STAGES[video.stage ?? ""] ?? "stageOther";
  return `${t(stage)} · ${Math.round(video.progress)} %`;
}

const STAGES: Readonly<Record<string, Text>> = {
  plan: "stagePlan",
  read: "stageRead",
  denoise: "stageDenoise",
  decode: "stageDecode",
  write: "stageWrite",
  sign: "stageSign",
};

/** Seconds with as many digits as say something. */
export const secondsText = (seconds: number): string => String(Math.round(seconds * 100) / 100);

export function dateText(seconds: number): string {
  const format = new Intl.DateTimeFormat(language.value, { dateStyle: "medium", timeStyle: "short" });
  return format.format(new Date(seconds * 1000));
}

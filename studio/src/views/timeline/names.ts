/** What parts of a timeline are called. */

import type { Transition } from "../../api/types.ts";
import { isPicture } from "../../api/types.ts";
import type { Span } from "../../board/spans.ts";
import type { IconName } from "../../parts/icon.tsx";
import { videoOf } from "../../state/gallery.ts";
import { secondsText, titleOf } from "../../state/naming.ts";
import type { Text } from "../../text/en.ts";
import { t } from "../../text/translate.ts";

export const JOINTS: Record<Transition, { readonly text: Text; readonly icon: IconName }> = {
  continue: { text: "jointContinue", icon: "forward" },
  cut: { text: "jointCut", icon: "cut" },
  dissolve: { text: "jointDissolve", icon: "blend" },
};

const GAPS = { before: "gapBefore", between: "gapBetween", after: "gapAfter" } as const;

export function kindOfSpan({ gap, card }: Span): Text {
  if (gap !== null) return GAPS[gap];
  const video = card?.video ? videoOf(card.video) : undefined;
  if (!card?.video) return "cardPrompt";
  return video !== undefined && isPicture(video) ? "cardPicture" : "cardClip";
}

export function titleOfSpan(span: Span): string {
  const video = span.card?.video ? videoOf(span.card.video) : undefined;
  return span.prompt.trim() || (video === undefined ? "" : titleOf(video));
}

export function labelOfSpan(span: Span, fps: number): string {
  return t("cardLabel", {
    kind: t(kindOfSpan(span)),
    start: secondsText(span.start / fps),
    end: secondsText((span.start + span.frames) / fps),
    title: titleOfSpan(span),
  });
}

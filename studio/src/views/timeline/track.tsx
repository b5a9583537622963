/** Time from left to right: a ruler with the playhead, and the parts below it. */

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { END, gapBefore, onGrid, resizeGap } from "../../board/board.ts";
import { videoOf } from "../../state/gallery.ts";
import { Button } from "../../parts/button.tsx";
import { secondsText } from "../../state/naming.ts";
import { t } from "../../text/translate.ts";
import { SpanBlock } from "./span_block.tsx";
import { addPrompt, addToTimeline, apply, board, chosen, playhead, spans } from "./state.ts";
import { PROMPT_DRAG } from "./toolbar.tsx";
import { VIDEO_DRAG } from "./tray.tsx";

const NARROWEST = 3; // pixels for a frame
const WIDEST = 9;
const ROOM = 120; // pixels beside the parts, for what lengthens them

export function Track(): JSX.Element {
  const element = useRef<HTMLDivElement>(null);
  const width = useWidth(element);
  const { frames, fps, cards } = board.value;
  const pixels = Math.max(NARROWEST, Math.min(WIDEST, (width - ROOM) / Math.max(frames, 1)));
  const [isOver, setOver] = useState(false);
  const frameAt = (x: number): number => {
    const left = element.current?.querySelector(".lane")?.getBoundingClientRect().left ?? 0;
    return Math.max(0, onGrid((x - left) / pixels));
  };
  const isEmpty = cards.length === 0;
  return (
    <div
      ref={element}
      class={`track ${isOver ? "over" : ""} ${isEmpty ? "track-empty" : ""}`}
      onDragOver={(event) => {
        if (!accepts(event)) return;
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        setOver(false);
        if (!accepts(event)) return;
        event.preventDefault();
        take(event, isEmpty ? 0 : frameAt(event.clientX));
      }}
    >
      {isEmpty ? (
        <p class="track-hint">
          <b>{t("timelineStart")}</b>
          <span>{t("timelineHint")}</span>
        </p>
      ) : (
        <div class="track-inner">
          <Lengthen label={t("extendStart")} onClick={() => lengthen(cards[0]?.key ?? END)} />
          <div class="track-time" style={{ width: `${frames * pixels}px` }}>
            <Ruler frames={frames} fps={fps} pixels={pixels} />
            <div
              class="lane"
              role="list"
              aria-label={t("track", { count: spans.value.length, seconds: secondsText(frames / fps) })}
            >
              {spans.value.map((span, index) => (
                <SpanBlock key={span.key} span={span} isReachable={isReachable(span.key, index)} pixels={pixels} />
              ))}
            </div>
            <div class="playhead" style={{ transform: `translateX(${playhead.value * pixels}px)` }} />
          </div>
          <Lengthen label={t("extendEnd")} onClick={() => lengthen(END)} />
        </div>
      )}
    </div>
  );
}

/** One part can be reached with Tab: the chosen one, or else the first. */
function isReachable(key: string, index: number): boolean {
  const isAnyChosen = spans.value.some((span) => span.key === chosen.value);
  return isAnyChosen ? key === chosen.value : index === 0;
}

function Lengthen({ label, onClick }: { label: string; onClick: () => void }): JSX.Element {
  return <Button icon="plus" label={label} look="soft" onClick={onClick} />;
}

/** A second more before a card, or at the end. */
function lengthen(key: string): void {
  const { fps } = board.value;
  apply(resizeGap(board.value, key, gapBefore(board.value, key) + fps));
  chosen.value = `gap-${key}`;
}

function Ruler({ frames, fps, pixels }: { frames: number; fps: number; pixels: number }): JSX.Element {
  const every = pixels * fps < 40 ? 2 : 1;
  const ticks = Array.from({ length: Math.floor(frames / fps / every) + 1 }, (_, index) => index * every);
  return (
    <div class="ruler">
      {ticks.map((second) => (
        <span key={second} style={{ left: `${second * fps * pixels}px` }}>
          {second}
        </span>
      ))}
      <input
        type="range"
        min={0}
        max={Math.max(0, frames - 1)}
        value={playhead.value}
        aria-label={t("position")}
        aria-valuetext={t("seconds", { seconds: secondsText(playhead.value / fps) })}
        onInput={(event) => (playhead.value = event.currentTarget.valueAsNumber)}
      />
    </div>
  );
}

const accepts = (event: DragEvent): boolean =>
  event.dataTransfer?.types.some((type) => type === VIDEO_DRAG || type === PROMPT_DRAG) ?? false;

function take(event: DragEvent, at: number): void {
  const video = videoOf(event.dataTransfer?.getData(VIDEO_DRAG) ?? "");
  if (video !== undefined) addToTimeline(video, at);
  else addPrompt(at);
}

function useWidth(element: { current: HTMLElement | null }): number {
  const [width, setWidth] = useState(800);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(entry?.contentRect.width ?? 800));
    if (element.current !== null) observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return width;
}

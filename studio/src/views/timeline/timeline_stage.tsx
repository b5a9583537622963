/** What lies under the playhead; or the video that was made from all of it. */

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { isRunning, type Video } from "../../api/types.ts";
import { spanAt, type Span } from "../../board/spans.ts";
import { Button } from "../../parts/button.tsx";
import { Icon } from "../../parts/icon.tsx";
import { useKeys } from "../../parts/keys.ts";
import { timeOf } from "../../parts/frames.ts";
import { ratioOf } from "../../state/draft.ts";
import { isLoaded, videoOf } from "../../state/gallery.ts";
import { useMedia } from "../../state/media.ts";
import { linkToVideo } from "../../state/route.ts";
import { t } from "../../text/translate.ts";
import { Stage } from "../details/stage.tsx";
import { kindOfSpan, titleOfSpan } from "./names.ts";
import { board, made, playhead } from "./state.ts";

export function TimelineStage(): JSX.Element {
  const video = made.value === null ? undefined : videoOf(made.value);
  if (isLoaded.value && made.value !== null && video === undefined) made.value = null;
  return video === undefined ? <Preview /> : <Made video={video} />;
}

function Made({ video }: { video: Video }): JSX.Element {
  const element = useRef<HTMLVideoElement>(null);
  return (
    <section class="timeline-stage" aria-label={t("kindStoryboard")}>
      <Stage video={video} element={element} />
      <div class="timeline-stage-row">
        {!isRunning(video) && video.status === "completed" && (
          <a class="button accent wide" href={linkToVideo(video.id)}>
            {t("watch")}
          </a>
        )}
        <Button icon="back" label={t("timelineTitle")} isWide look="soft" onClick={() => (made.value = null)} />
      </div>
    </section>
  );
}

function Preview(): JSX.Element {
  const [isPlaying, toggle] = usePlaying();
  const { frames, fps, size } = board.value;
  const span = spanAt(board.value, playhead.value);
  useKeys({ " ": toggle, ",": () => step(-1), ".": () => step(1) });
  return (
    <section class="timeline-stage" aria-label={t("position")}>
      <div class="stage" style={{ "--ratio": String(ratioOf(size)) }}>
        <div class="stage-frame">{span === undefined ? <Sky /> : <Shown key={span.key} span={span} />}</div>
      </div>
      {frames > 0 && (
        <div class="timeline-stage-row">
          <Button
            icon={isPlaying ? "pause" : "play"}
            label={t(isPlaying ? "pause" : "play")}
            keys="Space"
            look="soft"
            onClick={toggle}
          />
          <span class="transport-time">
            <b>{(playhead.value / fps).toFixed(2)}</b> / {t("seconds", { seconds: (frames / fps).toFixed(2) })}
          </span>
        </div>
      )}
    </section>
  );
}

function step(by: number): void {
  playhead.value = Math.max(0, Math.min(board.value.frames - 1, playhead.value + by));
}

function Sky(): JSX.Element {
  return (
    <div class="placard sky">
      <Icon name="timeline" size={36} />
    </div>
  );
}

/** A clip at the playhead, or what is said where it is still to be made. */
function Shown({ span }: { span: Span }): JSX.Element {
  const id = span.card?.video ?? null;
  const video = id === null ? undefined : videoOf(id);
  if (video === undefined) {
    return (
      <div class="placard">
        <small>{t(kindOfSpan(span))}</small>
        <p>{titleOfSpan(span) || t("generatedHere")}</p>
      </div>
    );
  }
  return <Clip video={video} frame={playhead.value - span.start + (span.card?.offset ?? 0)} />;
}

function Clip({ video, frame }: { video: Video; frame: number }): JSX.Element | null {
  const element = useRef<HTMLVideoElement>(null);
  const source = useMedia(video.id, "video");
  useEffect(() => {
    if (element.current !== null) element.current.currentTime = timeOf(frame, board.value.fps);
  }, [frame, source]);
  return source === null ? null : (
    <video ref={element} src={source} muted playsInline preload="auto" aria-hidden="true" />
  );
}

/** Move the playhead in time, from the start again when it was at the end. */
function usePlaying(): [boolean, () => void] {
  const [isPlaying, setPlaying] = useState(false);
  useEffect(() => {
    if (!isPlaying) return;
    const { frames, fps } = board.value;
    const from = playhead.value >= frames - 1 ? 0 : playhead.value;
    const began = performance.now();
    let request = requestAnimationFrame(function advance(now) {
      const frame = from + Math.floor(((now - began) / 1000) * fps);
      playhead.value = Math.max(0, Math.min(frames - 1, frame));
      if (frame >= frames - 1) setPlaying(false);
      else request = requestAnimationFrame(advance);
    });
    return () => cancelAnimationFrame(request);
  }, [isPlaying]);
  return [isPlaying, () => setPlaying((was) => !was && board.value.frames > 0)];
}

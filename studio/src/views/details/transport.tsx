/** Play, step, and where one is. */

import type { JSX, RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";
import { isPicture, type Video } from "../../api/types.ts";
import { Button } from "../../parts/button.tsx";
import type { Playback } from "../../parts/playback.ts";
import { t } from "../../text/translate.ts";

interface Props {
  video: Video;
  element: RefObject<HTMLVideoElement | null>;
  playback: Playback;
}

const SPEEDS = [1, 0.5, 0.25];

export function Transport({ video, element, playback }: Props): JSX.Element | null {
  const [speed, setSpeed] = useState(1);
  const { frame, isPlaying, toggle, seek, step } = playback;
  useEffect(() => {
    if (element.current !== null) element.current.playbackRate = speed;
  }, [speed, element.current]);
  if (isPicture(video)) return null;
  const { num_frames: total, fps } = video;
  const position = t("frameOf", { frame: frame + 1, total });
  return (
    <div class="transport">
      <input
        type="range"
        class="scrubber"
        min={0}
        max={total - 1}
        value={frame}
        aria-label={t("position")}
        aria-valuetext={position}
        style={{ "--share": `${(100 * frame) / Math.max(1, total - 1)}%` }}
        onInput={(event) => seek(event.currentTarget.valueAsNumber)}
      />
      <div class="transport-row">
        <span class="transport-time">
          <b>{(frame / fps).toFixed(2)}</b> / {t("seconds", { seconds: (total / fps).toFixed(2) })}
        </span>
        <span class="transport-buttons">
          <Button icon="frameBack" label={t("stepBack")} keys="," onClick={() => step(-1)} />
          <Button
            icon={isPlaying ? "pause" : "play"}
            label={t(isPlaying ? "pause" : "play")}
            keys="Space"
            look="soft"
            onClick={toggle}
          />
          <Button icon="frameForward" label={t("stepForward")} keys="." onClick={() => step(1)} />
        </span>
        <span class="transport-end">
          <span class="transport-frame">{position}</span>
          <button
            type="button"
            class="button plain speed"
            aria-label={`${t("speed")}: ${speed}×`}
            title={t("speed")}
            onClick={() => setSpeed(SPEEDS[(SPEEDS.indexOf(speed) + 1) % SPEEDS.length] ?? 1)}
          >
            {speed}×
          </button>
          <Button icon="fullscreen" label={t("fullscreen")} onClick={() => void element.current?.requestFullscreen()} />
        </span>
      </div>
    </div>
  );
}

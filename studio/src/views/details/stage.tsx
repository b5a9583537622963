/** The video itself, in the light that it throws around it. */

import type { ComponentChildren, JSX, RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { isPicture, isRunning, type Video } from "../../api/types.ts";
import { Icon } from "../../parts/icon.tsx";
import { Thumbnail } from "../../parts/thumbnail.tsx";
import { useMedia } from "../../state/media.ts";
import { stateOf, titleOf } from "../../state/naming.ts";
import { t } from "../../text/translate.ts";

interface Props {
  video: Video;
  element: RefObject<HTMLVideoElement | null>;
  children?: ComponentChildren;
}

export function Stage({ video, element, children }: Props): JSX.Element {
  const source = useMedia(video.status === "completed" ? video.id : null, "video");
  const ratio = video.height > 0 ? video.width / video.height : 1;
  return (
    <div class="stage" style={{ "--ratio": String(ratio) }}>
      {source !== null && <Glow element={element} source={source} />}
      <div class="stage-frame">
        {video.status === "completed" && source !== null && (
          <video
            ref={element}
            src={source}
            muted
            playsInline
            loop
            autoplay={!isPicture(video) && !matchMedia("(prefers-reduced-motion: reduce)").matches}
            preload="auto"
            aria-label={titleOf(video)}
            onClick={({ currentTarget: shown }) => void (shown.paused ? shown.play() : shown.pause())}
          />
        )}
        {isRunning(video) && <Making video={video} />}
        {video.status === "failed" && (
          <p class="stage-failed" role="alert">
            <Icon name="warning" size={28} />
            {video.error?.code === "cancelled" ? t("cancelled") : (video.error?.message ?? t("failed"))}
          </p>
        )}
        {children}
      </div>
    </div>
  );
}

function Making({ video }: { video: Video }): JSX.Element {
  return (
    <div class="stage-making" data-testid="preview">
      <Thumbnail video={video} />
      <p>{stateOf(video)}</p>
      <progress class="line" max={100} value={video.progress} aria-label={t("progress", { title: titleOf(video) })} />
    </div>
  );
}

/** A few pixels of each frame, spread wide by the style sheet. */
function Glow({ element, source }: { element: RefObject<HTMLVideoElement | null>; source: string }): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const video = element.current;
    const context = canvas.current?.getContext("2d");
    if (video === null || !context) return;
    let request = 0;
    const draw = (): void => {
      context.drawImage(video, 0, 0, 16, 16);
      request = video.requestVideoFrameCallback(draw);
    };
    request = video.requestVideoFrameCallback(draw);
    return () => video.cancelVideoFrameCallback(request);
  }, [source]);
  return <canvas ref={canvas} class="glow" width={16} height={16} aria-hidden="true" />;
}

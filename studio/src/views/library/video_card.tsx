/** One video in the grid: its picture, and when one points at it, the video. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { isPicture, isRunning, type Video } from "../../api/types.ts";
import { cancel, remove } from "../../api/videos.ts";
import { Button } from "../../parts/button.tsx";
import { Icon } from "../../parts/icon.tsx";
import { Thumbnail } from "../../parts/thumbnail.tsx";
import { drop, put } from "../../state/gallery.ts";
import { useMedia } from "../../state/media.ts";
import { kindIcon, kindOf, secondsText, stateOf, titleOf } from "../../state/naming.ts";
import { attempt } from "../../state/notices.ts";
import { linkToVideo } from "../../state/route.ts";
import { prompt } from "../../state/draft.ts";
import { t } from "../../text/translate.ts";
import { focusPrompt } from "../composer/composer.tsx";

export function VideoCard({ video }: { video: Video }): JSX.Element {
  const ratio = video.height > 0 ? video.width / video.height : 1;
  return (
    <li class={`card ${video.status}`} style={{ "--ratio": String(ratio) }} data-id={video.id}>
      {video.status === "failed" ? (
        <Failed video={video} />
      ) : isRunning(video) ? (
        <Running video={video} />
      ) : (
        <Done video={video} />
      )}
    </li>
  );
}

function Done({ video }: { video: Video }): JSX.Element {
  const [isPlaying, setPlaying] = useState(false);
  const title = titleOf(video);
  return (
    <a
      href={linkToVideo(video.id)}
      aria-label={t("open", { title })}
      draggable={false}
      onPointerEnter={(event) => event.pointerType === "mouse" && setPlaying(true)}
      onPointerLeave={() => setPlaying(false)}
      onFocus={() => setPlaying(true)}
      onBlur={() => setPlaying(false)}
    >
      <Thumbnail video={video} />
      {isPlaying && !isPicture(video) && <Moving id={video.id} />}
      <span class="card-kind" title={kindOf(video)}>
        {video.kind !== "generation" && <Icon name={kindIcon(video)} size={16} />}
      </span>
      {!isPicture(video) && (
        <span class="card-length">{t("seconds", { seconds: secondsText(Number(video.seconds)) })}</span>
      )}
      <span class="card-title">{title}</span>
    </a>
  );
}

function Moving({ id }: { id: string }): JSX.Element | null {
  const source = useMedia(id, "video");
  if (source === null || matchMedia("(prefers-reduced-motion: reduce)").matches) return null;
  return <video src={source} muted loop autoplay playsInline disableRemotePlayback aria-hidden="true" tabIndex={-1} />;
}

function Running({ video }: { video: Video }): JSX.Element {
  const title = titleOf(video);
  return (
    <>
      <a href={linkToVideo(video.id)} aria-label={t("open", { title })} draggable={false}>
        <Thumbnail video={video} />
        <span class="card-state">{stateOf(video)}</span>
        <span class="card-title">{title}</span>
      </a>
      <progress class="line" max={100} value={video.progress} aria-label={t("progress", { title })} />
      <span class="card-action">
        <Button icon="close" label={t("cancelVideo", { title })} onClick={() => void stop(video)} size={16} />
      </span>
    </>
  );
}

export async function stop(video: Video): Promise<void> {
  const stopped = await attempt(() => cancel(video.id));
  if (stopped !== undefined) put(stopped);
}

function Failed({ video }: { video: Video }): JSX.Element {
  const isCancelled = video.error?.code === "cancelled";
  return (
    <div class="card-failed">
      <p class="card-reason">{isCancelled ? t("cancelled") : video.error?.message || t("failed")}</p>
      <p class="card-prompt">{titleOf(video)}</p>
      <div class="row">
        <Button icon="repeat" label={t("tryAgain")} isWide look="soft" onClick={() => writeAgain(video)} />
        <Button icon="trash" label={t("discard")} onClick={() => void discard(video)} />
      </div>
    </div>
  );
}

function writeAgain(video: Video): void {
  prompt.value = video.prompt ?? "";
  focusPrompt();
}

async function discard(video: Video): Promise<void> {
  if ((await attempt(() => remove(video.id))) !== undefined) drop(video.id);
}

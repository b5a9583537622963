/** What is being made, in its order. */

import type { JSX } from "preact";
import { Button } from "../../parts/button.tsx";
import { Popover } from "../../parts/popover.tsx";
import { Thumbnail } from "../../parts/thumbnail.tsx";
import { running } from "../../state/gallery.ts";
import { stateOf, titleOf } from "../../state/naming.ts";
import { linkToVideo } from "../../state/route.ts";
import { t } from "../../text/translate.ts";
import { stop } from "./video_card.tsx";

export function QueueButton(): JSX.Element {
  const jobs = running.value.toReversed();
  const button = (
    <>
      <span class={`pulse ${jobs.length > 0 ? "on" : ""}`} />
      <span class="queue-count">{jobs.length}</span>
    </>
  );
  return (
    <Popover
      label={t("queueRunning", { count: jobs.length })}
      title={t("queueTitle")}
      className="queue-chip"
      button={button}
    >
      {jobs.length === 0 && <p class="muted">{t("queueEmpty")}</p>}
      <ol class="queue">
        {jobs.map((video) => (
          <li key={video.id}>
            <a href={linkToVideo(video.id)} class="queue-picture" aria-hidden="true" tabIndex={-1}>
              <Thumbnail video={video} />
            </a>
            <a href={linkToVideo(video.id)} class="queue-text">
              <span>{titleOf(video)}</span>
              <small>{stateOf(video)}</small>
            </a>
            <Button
              icon="close"
              label={t("cancelVideo", { title: titleOf(video) })}
              onClick={() => void stop(video)}
              size={16}
            />
            <progress
              class="line"
              max={100}
              value={video.progress}
              aria-label={t("progress", { title: titleOf(video) })}
            />
          </li>
        ))}
      </ol>
    </Popover>
  );
}

/** Finished videos and pictures, to be put on the timeline. */

import type { JSX } from "preact";
import { Icon } from "../../parts/icon.tsx";
import { Thumbnail } from "../../parts/thumbnail.tsx";
import { finished } from "../../state/gallery.ts";
import { titleOf } from "../../state/naming.ts";
import { t } from "../../text/translate.ts";
import { addToTimeline } from "./state.ts";

export const VIDEO_DRAG = "application/x-tenku-video";

export function Tray(): JSX.Element {
  return (
    <section class="tray" aria-label={t("libraryTray")}>
      <ul>
        {finished.value.map((video) => (
          <li key={video.id}>
            <button
              type="button"
              draggable
              title={titleOf(video)}
              aria-label={t("addFromLibrary", { title: titleOf(video) })}
              style={{ "--ratio": String(video.width / Math.max(1, video.height)) }}
              onClick={() => addToTimeline(video)}
              onDragStart={(event) => event.dataTransfer?.setData(VIDEO_DRAG, video.id)}
            >
              <Thumbnail video={video} />
              <span class="tray-plus">
                <Icon name="plus" size={18} />
              </span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** What a video was made from, and what was made from it. */

import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { Video } from "../../api/types.ts";
import { Thumbnail } from "../../parts/thumbnail.tsx";
import { ensure, videoOf, videos } from "../../state/gallery.ts";
import { titleOf } from "../../state/naming.ts";
import { linkToVideo } from "../../state/route.ts";
import { t } from "../../text/translate.ts";

export function Relatives({ video }: { video: Video }): JSX.Element {
  useEffect(() => {
    // A parent that has been deleted is no failure: it is left out.
    for (const id of video.parents) void ensure(id).catch(() => undefined);
  }, [video.id]);
  const parents = video.parents.map(videoOf).filter((parent) => parent !== undefined);
  const children = videos.value.filter((other) => other.parents.includes(video.id) && other.status !== "failed");
  return (
    <>
      <Row label={t("parents")} list={parents} />
      <Row label={t("children")} list={children} />
    </>
  );
}

function Row({ label, list }: { label: string; list: readonly Video[] }): JSX.Element | null {
  if (list.length === 0) return null;
  return (
    <section class="relatives">
      <h3>{label}</h3>
      <ul>
        {list.map((video) => (
          <li key={video.id}>
            <a href={linkToVideo(video.id)} title={titleOf(video)} aria-label={t("open", { title: titleOf(video) })}>
              <Thumbnail video={video} />
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

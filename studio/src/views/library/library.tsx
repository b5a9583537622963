/** Everything that has been made, with what is being made on top. */

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Video } from "../../api/types.ts";
import { Choice } from "../../parts/choice.tsx";
import { Icon } from "../../parts/icon.tsx";
import { Logo } from "../../parts/icon.tsx";
import { hasMore, isLoaded, loadMore, videos } from "../../state/gallery.ts";
import { attempt } from "../../state/notices.ts";
import { t } from "../../text/translate.ts";
import { Composer } from "../composer/composer.tsx";
import { fits, type Filter } from "./filter.ts";
import { QueueButton } from "./queue.tsx";
import { VideoCard } from "./video_card.tsx";

export function Library(): JSX.Element {
  const [filter, setFilter] = useState<Filter>({ query: "", origin: "all" });
  const shown = videos.value.filter((video) => fits(video, filter));
  return (
    <>
      <header class="top">
        <h1 class="unseen">{t("libraryTitle")}</h1>
        <Choice
          className="filter"
          label={t("filterLabel")}
          isLabelHidden
          value={filter.origin}
          options={[
            { value: "all", text: t("filterAll") },
            { value: "made", text: t("filterMade") },
            { value: "uploads", text: t("filterUploads") },
          ]}
          onChange={(origin) => setFilter({ ...filter, origin })}
        />
        <label class="search">
          <Icon name="search" size={18} />
          <input
            type="search"
            aria-label={t("search")}
            placeholder={t("searchPlaceholder")}
            value={filter.query}
            onInput={(event) => setFilter({ ...filter, query: event.currentTarget.value })}
          />
        </label>
        <QueueButton />
      </header>
      {shown.length > 0 && (
        <ul class="grid">
          {shown.map((video) => (
            <VideoCard key={video.id} video={video} />
          ))}
        </ul>
      )}
      {isLoaded.value && shown.length === 0 && (
        <Empty query={filter.query} onShowAll={() => setFilter({ query: "", origin: "all" })} list={videos.value} />
      )}
      {hasMore.value && <More />}
      <Composer />
    </>
  );
}

function Empty(props: { query: string; onShowAll: () => void; list: readonly Video[] }): JSX.Element {
  if (props.list.length > 0) {
    return (
      <div class="empty">
        <p>{t("emptySearch", { query: props.query })}</p>
        <button type="button" class="button soft wide" onClick={props.onShowAll}>
          {t("showAll")}
        </button>
      </div>
    );
  }
  return (
    <div class="empty">
      <Logo />
      <h2>{t("emptyTitle")}</h2>
      <p>{t("emptyText")}</p>
    </div>
  );
}

/** Loads older videos as it comes into sight. */
function More(): JSX.Element {
  const element = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    const observer = new IntersectionObserver(([entry]) => entry?.isIntersecting && void attempt(loadMore), {
      rootMargin: "600px",
    });
    if (element.current !== null) observer.observe(element.current);
    return () => observer.disconnect();
  });
  return (
    <button ref={element} type="button" class="more" onClick={() => void attempt(loadMore)}>
      {t("loadingMore")}
    </button>
  );
}

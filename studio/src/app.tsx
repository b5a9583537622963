/** The whole page: navigation beside one of four places, and what may lie over them. */

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { isAnyDialogOpen } from "./parts/dialog.tsx";
import { useKeys } from "./parts/keys.ts";
import { Notices } from "./parts/notices.tsx";
import { isConnected } from "./state/connection.ts";
import { go, linkTo, route, type Place } from "./state/route.ts";
import { askForKey } from "./state/settings.ts";
import { t } from "./text/translate.ts";
import { focusPrompt } from "./views/composer/composer.tsx";
import { Details } from "./views/details/details.tsx";
import { Library } from "./views/library/library.tsx";
import { Live } from "./views/live/live.tsx";
import { DropTarget } from "./views/shell/drop_target.tsx";
import { Navigation } from "./views/shell/navigation.tsx";
import { Settings } from "./views/shell/settings.tsx";
import { Shortcuts } from "./views/shell/shortcuts.tsx";
import { Timeline } from "./views/timeline/timeline.tsx";
import { Verify } from "./views/verify/verify.tsx";

const PLACES: Record<
  Place,
  { view: () => JSX.Element; title: "placeLibrary" | "placeTimeline" | "placeLive" | "placeVerify" }
> = {
  library: { view: Library, title: "placeLibrary" },
  timeline: { view: Timeline, title: "placeTimeline" },
  live: { view: Live, title: "placeLive" },
  verify: { view: Verify, title: "placeVerify" },
};

export function App(): JSX.Element {
  const [open, setOpen] = useState<"settings" | "shortcuts" | null>(null);
  const { place, video } = route.value;
  const { view: View, title } = PLACES[place];
  const name = `${t(title)} · ${t("appName")}`;
  useEffect(() => {
    document.title = name;
  }, [name]);
  useKeys(
    {
      "/": focusPrompt,
      "?": () => setOpen("shortcuts"),
      "1": () => go(linkTo("library")),
      "2": () => go(linkTo("timeline")),
      "3": () => go(linkTo("live")),
      "4": () => go(linkTo("verify")),
    },
    video === null && open === null,
  );
  return (
    <>
      <a class="skip" href="#content" onClick={skip}>
        {t("skipToContent")}
      </a>
      <Navigation place={place} onSettings={() => setOpen("settings")} onShortcuts={() => setOpen("shortcuts")} />
      <main id="content" class={`place-${place}`} tabIndex={-1}>
        {!isConnected.value && !askForKey.value && (
          <p class="offline" role="status">
            {t("offline")}
          </p>
        )}
        <View />
      </main>
      {video !== null && <Details key={video} id={video} />}
      {(open === "settings" || askForKey.value) && <Settings onClose={() => setOpen(null)} />}
      {open === "shortcuts" && <Shortcuts onClose={() => setOpen(null)} />}
      <DropTarget place={place} />
      {!isAnyDialogOpen() && <Notices />}
    </>
  );
}

/** The address says where one is, so the link moves the focus itself. */
function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("content")?.focus();
}

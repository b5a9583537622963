/** The timeline editor: a stage, the part that is chosen, the track, and what can be put on it. */

import type { JSX } from "preact";
import { useKeys } from "../../parts/keys.ts";
import { t } from "../../text/translate.ts";
import { Inspector } from "./inspector.tsx";
import { goBack, goForward, spoken } from "./state.ts";
import { TimelineStage } from "./timeline_stage.tsx";
import { Toolbar } from "./toolbar.tsx";
import { Track } from "./track.tsx";
import { Tray } from "./tray.tsx";

export function Timeline(): JSX.Element {
  useKeys({ "Ctrl+z": goBack, "Ctrl+Z": goForward, "Ctrl+y": goForward });
  return (
    <div class="timeline">
      <h1 class="unseen">{t("timelineTitle")}</h1>
      <div class="timeline-upper">
        <TimelineStage />
        <Inspector />
      </div>
      <div class="timeline-lower">
        <Toolbar />
        <Track />
        <Tray />
      </div>
      <div class="unseen" role="status" aria-live="polite">
        {spoken.value}
      </div>
    </div>
  );
}

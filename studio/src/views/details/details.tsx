/** One video, large, with all that is known of it and all that can be made from it. */

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { isRunning, type Video } from "../../api/types.ts";
import { Button } from "../../parts/button.tsx";
import { Dialog } from "../../parts/dialog.tsx";
import { useKeys } from "../../parts/keys.ts";
import { usePlayback } from "../../parts/playback.ts";
import { ensure, isLoaded, videoOf, videos } from "../../state/gallery.ts";
import { titleOf } from "../../state/naming.ts";
import { attempt } from "../../state/notices.ts";
import { go, linkTo, linkToVideo } from "../../state/route.ts";
import { t } from "../../text/translate.ts";
import { Facts } from "./facts.tsx";
import { Mask } from "./mask.ts";
import { MaskCanvas } from "./mask_canvas.tsx";
import { Stage } from "./stage.tsx";
import { ToolPanel } from "./tool_panel.tsx";
import { TOOLS, type Tool } from "./tools.ts";
import { Transport } from "./transport.tsx";

const close = (): void => go(linkTo("library"));

export function Details({ id }: { id: string }): JSX.Element {
  const video = videoOf(id);
  useEffect(() => {
    if (isLoaded.value && video === undefined) {
      void attempt(() => ensure(id)).then(() => videoOf(id) === undefined && close());
    }
  }, [id, isLoaded.value]);
  return (
    <Dialog label={t("detailsTitle")} className="details" onClose={close}>
      {video !== undefined && <Opened video={video} />}
      <span class="details-close">
        <Button icon="close" label={t("close")} onClick={close} keys="Escape" />
        {video !== undefined && (
          <>
            <Button
              icon="back"
              label={t("previous")}
              keys="PageUp"
              isDisabled={beside(video, -1) === undefined}
              onClick={() => goTo(video, -1)}
            />
            <Button
              icon="forward"
              label={t("next")}
              keys="PageDown"
              isDisabled={beside(video, 1) === undefined}
              onClick={() => goTo(video, 1)}
            />
          </>
        )}
      </span>
    </Dialog>
  );
}

function Opened({ video }: { video: Video }): JSX.Element {
  const element = useRef<HTMLVideoElement>(null);
  const [tool, setTool] = useState<Tool | null>(null);
  const [mask, setMask] = useState<Mask | null>(null);
  const playback = usePlayback(element, video.fps, video.num_frames);
  const isDone = video.status === "completed";
  const openTool = (name: Tool | null): void => {
    setTool(name);
    setMask(name === "edit" ? new Mask(video.width, video.height) : null);
    if (name === "edit") element.current?.pause();
  };
  useKeys(
    {
      " ": playback.toggle,
      ",": () => playback.step(-1),
      ".": () => playback.step(1),
      ArrowLeft: () => playback.step(-1),
      ArrowRight: () => playback.step(1),
      Home: () => playback.seek(0),
      End: () => playback.seek(video.num_frames - 1),
      ...Object.fromEntries(TOOLS.map(({ name, key }) => [key, () => openTool(name)])),
    },
    isDone,
  );
  useKeys({ PageUp: () => goTo(video, -1), PageDown: () => goTo(video, 1) });
  return (
    <>
      <section class="details-media" aria-label={titleOf(video)}>
        <Stage video={video} element={element}>
          {mask !== null && <MaskCanvas mask={mask} />}
        </Stage>
        {isDone && <Transport video={video} element={element} playback={playback} />}
      </section>
      <aside class="details-side">
        {tool === null ? (
          <Facts video={video} onTool={openTool} />
        ) : (
          <ToolPanel
            key={tool}
            tool={tool}
            video={video}
            frame={playback.frame}
            mask={mask}
            onBack={() => openTool(null)}
          />
        )}
      </aside>
    </>
  );
}

function beside(video: Video, step: -1 | 1): Video | undefined {
  const list = videos.value.filter(
    (other) => other.status === "completed" || isRunning(other) || other.id === video.id,
  );
  const at = list.findIndex((other) => other.id === video.id);
  return at < 0 ? undefined : list[at + step];
}

function goTo(video: Video, step: -1 | 1): void {
  const next = beside(video, step);
  if (next !== undefined) go(linkToVideo(next.id));
}

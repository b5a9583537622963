/** Files that are dragged over the page from outside. */

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon } from "../../parts/icon.tsx";
import type { Place } from "../../state/route.ts";
import { uploadAll } from "../../state/uploading.ts";
import { t } from "../../text/translate.ts";
import { addToTimeline } from "../timeline/state.ts";
import { verifyFile } from "../verify/state.ts";

export function DropTarget({ place }: { place: Place }): JSX.Element | null {
  const [isOver, setOver] = useState(false);
  const depth = useRef(0);
  useEffect(() => {
    const enter = (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      depth.current += 1;
      setOver(true);
    };
    const leave = (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      depth.current = Math.max(0, depth.current - 1);
      setOver(depth.current > 0);
    };
    const over = (event: DragEvent): void => {
      if (hasFiles(event)) event.preventDefault();
    };
    const drop = (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth.current = 0;
      setOver(false);
      void take([...(event.dataTransfer?.files ?? [])], place);
    };
    const listeners = { dragenter: enter, dragleave: leave, dragover: over, drop };
    const entries = Object.entries(listeners) as [keyof typeof listeners, (event: DragEvent) => void][];
    for (const [name, listener] of entries) addEventListener(name, listener);
    return () => {
      for (const [name, listener] of entries) removeEventListener(name, listener);
    };
  }, [place]);
  if (!isOver) return null;
  return (
    <div class="drop-target">
      <Icon name={place === "verify" ? "verify" : "upload"} size={40} />
      <p>{t(place === "verify" ? "dropVerify" : place === "timeline" ? "dropTimeline" : "dropHere")}</p>
    </div>
  );
}

const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;

async function take(files: readonly File[], place: Place): Promise<void> {
  if (place === "verify") {
    if (files[0] !== undefined) await verifyFile(files[0]);
    return;
  }
  const added = await uploadAll(files);
  if (place === "timeline") added.forEach((video) => addToTimeline(video));
}

/** One part on the track: dragged by its middle, trimmed by its edges, driven by keys. */

import type { JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { move, resize, resizeLeft, type Board, type Card } from "../../board/board.ts";
import type { Span } from "../../board/spans.ts";
import { Icon } from "../../parts/icon.tsx";
import { useMedia } from "../../state/media.ts";
import { t } from "../../text/translate.ts";
import { choose, cycleJoint, press } from "./gestures.ts";
import { JOINTS, kindOfSpan, labelOfSpan, titleOfSpan } from "./names.ts";
import { apply, attemptBoard, board, chosen } from "./state.ts";

interface Props {
  span: Span;
  isReachable: boolean;
  pixels: number;
}

export function SpanBlock({ span, isReachable, pixels }: Props): JSX.Element {
  const element = useRef<HTMLButtonElement>(null);
  const isChosen = chosen.value === span.key;
  useLayoutEffect(() => {
    const active = document.activeElement;
    const isInTrack = active?.closest(".lane") !== null || active === document.body;
    if (isChosen && isInTrack) element.current?.focus({ preventScroll: false });
  }, [isChosen]);
  const { card, key, start, frames } = span;
  return (
    <div class="span" role="listitem" style={{ left: `${start * pixels}px`, width: `${frames * pixels}px` }}>
      <button
        ref={element}
        type="button"
        class={`block ${card === null ? "gap" : card.video === null ? "prompt" : "clip"} ${isChosen ? "chosen" : ""}`}
        tabIndex={isReachable ? 0 : -1}
        aria-label={labelOfSpan(span, board.value.fps)}
        aria-pressed={isChosen}
        aria-keyshortcuts="Shift+ArrowLeft Shift+ArrowRight [ ] Shift+[ Shift+] S J Enter Delete"
        data-own-keys
        onFocus={() => choose(span)}
        onClick={() => choose(span)}
        onKeyDown={(event) => press(event, span)}
        onPointerDown={(event) => card && drag(event, (by) => move(board.value, key, start + by), pixels)}
      >
        {card?.video && <Strip id={card.video} />}
        <span class="block-text">
          <small>{t(kindOfSpan(span))}</small>
          <span>{titleOfSpan(span)}</span>
        </span>
      </button>
      {card !== null && <Edges card={card} pixels={pixels} />}
      {span.joints.length > 0 && span.joint !== null && (
        <button
          type="button"
          class={`joint ${span.joint}`}
          tabIndex={-1}
          title={t(JOINTS[span.joint].text)}
          aria-label={t("jointChange", { joint: t(JOINTS[span.joint].text) })}
          onClick={() => cycleJoint(span)}
        >
          <Icon name={JOINTS[span.joint].icon} size={14} />
        </button>
      )}
    </div>
  );
}

/** The picture of a clip, again and again, as on film. */
function Strip({ id }: { id: string }): JSX.Element {
  const source = useMedia(id, "thumbnail");
  return <span class="strip" style={source === null ? {} : { backgroundImage: `url("${source}")` }} />;
}

/** Both ends can be moved; a clip is then shown from later on, or ends earlier. */
function Edges({ card, pixels }: { card: Card; pixels: number }): JSX.Element {
  const { key, start, frames } = card;
  return (
    <>
      <span
        class="edge left"
        aria-hidden="true"
        onPointerDown={(event) => drag(event, (by) => resizeLeft(board.value, key, start + by), pixels)}
      />
      <span
        class="edge right"
        aria-hidden="true"
        onPointerDown={(event) => drag(event, (by) => resize(board.value, key, frames + by), pixels)}
      />
    </>
  );
}

const SLACK = 3;

/** Show a change while the pointer moves, and make it when it is let go. */
function drag(event: PointerEvent, change: (frames: number) => Board, pixels: number): void {
  if (event.button !== 0 || !(event.currentTarget instanceof HTMLElement)) return;
  const { currentTarget: target, pointerId, clientX } = event;
  const before = board.value;
  let changed: Board | null = null;
  const shift = (moved: PointerEvent): void => {
    if (changed === null && Math.abs(moved.clientX - clientX) < SLACK) return;
    attemptBoard(null);
    changed = change((moved.clientX - clientX) / pixels);
    attemptBoard(changed);
  };
  const finish = (): void => {
    target.removeEventListener("pointermove", shift);
    if (changed !== null && changed !== before) apply(changed);
    else attemptBoard(null);
  };
  target.setPointerCapture(pointerId);
  target.addEventListener("pointermove", shift);
  target.addEventListener("lostpointercapture", finish, { once: true });
}

/** Paint a mask over the video, with a pointer or with keys. */

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../../text/translate.ts";
import type { Mask, Point } from "./mask.ts";

const STEP = 4;
const GROWTH = 4;
const SMALLEST = 2;

export function MaskCanvas({ mask }: { mask: Mask }): JSX.Element {
  const element = useRef<HTMLDivElement>(null);
  const last = useRef<Point | null>(null);
  const [cursor, setCursor] = useState<Point>({ x: mask.width / 2, y: mask.height / 2 });
  useEffect(() => {
    element.current?.prepend(mask.canvas);
    element.current?.focus();
    return () => mask.canvas.remove();
  }, [mask]);

  const pointAt = (event: PointerEvent): Point => {
    const box = mask.canvas.getBoundingClientRect();
    const scale = mask.width / box.width;
    return { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale };
  };
  const drag = (event: PointerEvent): void => {
    const point = pointAt(event);
    setCursor(point);
    if (last.current === null) return;
    mask.stroke(last.current, point);
    last.current = point;
  };
  const press = (event: KeyboardEvent): void => {
    const [right = 0, down = 0] = ARROWS[event.key] ?? [];
    const moved = {
      x: Math.min(mask.width, Math.max(0, cursor.x + STEP * right)),
      y: Math.min(mask.height, Math.max(0, cursor.y + STEP * down)),
    };
    if (event.key === " ") mask.stroke(cursor, cursor);
    else if (event.key.toLowerCase() === "e") mask.erases.value = !mask.erases.value;
    else if (event.key === "[") mask.brush.value = Math.max(SMALLEST, mask.brush.value - GROWTH);
    else if (event.key === "]") mask.brush.value = Math.min(mask.width, mask.brush.value + GROWTH);
    else if (right === 0 && down === 0) return;
    else if (event.shiftKey) mask.stroke(cursor, moved);
    event.preventDefault();
    event.stopPropagation();
    setCursor(moved);
  };
  return (
    <div
      ref={element}
      class={`mask ${mask.erases.value ? "erases" : ""}`}
      role="application"
      aria-label={t("maskLabel")}
      tabIndex={0}
      data-own-keys
      onKeyDown={press}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        last.current = pointAt(event);
        mask.stroke(last.current, last.current);
      }}
      onPointerMove={drag}
      onPointerUp={() => (last.current = null)}
    >
      <span
        class="mask-brush"
        style={{
          left: `${(100 * cursor.x) / mask.width}%`,
          top: `${(100 * cursor.y) / mask.height}%`,
          width: `${(100 * mask.brush.value) / mask.width}%`,
        }}
      />
    </div>
  );
}

const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

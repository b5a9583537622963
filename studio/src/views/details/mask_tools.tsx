/** Brush, eraser, and how large they are. */

import type { JSX } from "preact";
import { Button } from "../../parts/button.tsx";
import { Range } from "../../parts/range.tsx";
import { t } from "../../text/translate.ts";
import type { Mask } from "./mask.ts";

export function MaskTools({ mask }: { mask: Mask }): JSX.Element {
  const { erases, brush } = mask;
  return (
    <div class="mask-tools">
      <div class="row">
        <Button
          icon="edit"
          label={t("maskBrush")}
          isWide
          look="soft"
          isPressed={!erases.value}
          onClick={() => (erases.value = false)}
        />
        <Button
          icon="erase"
          label={t("maskErase")}
          isWide
          look="soft"
          isPressed={erases.value}
          onClick={() => (erases.value = true)}
        />
        <Button icon="trash" label={t("maskClear")} isWide onClick={() => mask.clear()} />
        <Button icon="fullscreen" label={t("maskAll")} isWide onClick={() => mask.all()} />
      </div>
      <Range
        label={t("maskSize")}
        value={brush.value}
        min={2}
        max={Math.round(Math.min(mask.width, mask.height) / 2)}
        step={1}
        text={`${brush.value} px`}
        onChange={(value) => (brush.value = value)}
      />
    </div>
  );
}

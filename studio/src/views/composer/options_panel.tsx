/** Size, length, count and seed of what is to be made. */

import type { JSX } from "preact";
import { Button } from "../../parts/button.tsx";
import { Choice } from "../../parts/choice.tsx";
import { Popover } from "../../parts/popover.tsx";
import { Range } from "../../parts/range.tsx";
import { options, ratioOf, scaled, setOptions } from "../../state/draft.ts";
import { maxSeconds, sizes } from "../../state/model.ts";
import { secondsText } from "../../state/naming.ts";
import { t } from "../../text/translate.ts";

const SCALES = [1, 2, 4];
const MAX_COUNT = 4;
const STEP = 0.25;

export function OptionsPanel(): JSX.Element {
  return (
    <Popover label={t("options")} title={t("optionsTitle")} className="options-chip" button={<Summary />}>
      <div class="options">
        <SizeChoice />
        <Length />
        <Choice
          label={t("count")}
          value={options.value.count}
          options={Array.from({ length: MAX_COUNT }, (_, index) => ({ value: index + 1, text: index + 1 }))}
          onChange={(count) => setOptions({ count })}
        />
        <Seed />
      </div>
    </Popover>
  );
}

function Summary(): JSX.Element {
  const { size, scale, seconds, count, seed } = options.value;
  return (
    <>
      <Shape size={size} />
      <span>{scaled(size, scale).replace("x", "×")}</span>
      <span>{t("seconds", { seconds })}</span>
      {count > 1 && <span>×{count}</span>}
      {seed !== null && <span class="seed-chip">#{seed}</span>}
    </>
  );
}

function SizeChoice(): JSX.Element {
  const { size, scale } = options.value;
  const shapes = sizes.value.includes(size) ? sizes.value : [size, ...sizes.value];
  return (
    <>
      <Choice
        label={t("shape")}
        className="shapes"
        value={size}
        options={shapes.map((value) => ({
          value,
          text: (
            <>
              <Shape size={value} />
              <small>{value.replace("x", "×")}</small>
            </>
          ),
        }))}
        onChange={(value) => setOptions({ size: value, scale: isSmall(value) ? scale : 1 })}
      />
      {isSmall(size) && (
        <Choice
          label={t("scale")}
          value={scale}
          options={SCALES.map((value) => ({ value, text: value === 1 ? t("scaleNative") : `${value}×` }))}
          onChange={(value) => setOptions({ scale: value })}
        />
      )}
    </>
  );
}

/** Small enough to be asked for several times as large. */
const isSmall = (size: string): boolean => size.split("x").every((side) => Number(side) <= 256);

/** A small drawing of a shape. */
export function Shape({ size }: { size: string }): JSX.Element {
  const ratio = ratioOf(size);
  const [width, height] = ratio >= 1 ? [16, 16 / ratio] : [16 * ratio, 16];
  return (
    <svg class="shape" width="20" height="20" viewBox="0 0 20 20" aria-hidden="true">
      <rect x={10 - width / 2} y={10 - height / 2} width={width} height={height} rx="2" />
    </svg>
  );
}

function Length(): JSX.Element {
  const { seconds } = options.value;
  return (
    <Range
      label={t("length")}
      value={seconds}
      min={STEP}
      max={maxSeconds.value}
      step={STEP}
      text={t("seconds", { seconds: secondsText(seconds) })}
      onChange={(value) => setOptions({ seconds: value })}
    />
  );
}

function Seed(): JSX.Element {
  const { seed } = options.value;
  return (
    <div class="field">
      <label for="seed">{t("seed")}</label>
      <div class="row">
        <input
          id="seed"
          type="number"
          min={0}
          max={2 ** 31 - 1}
          placeholder={t("seedRandom")}
          value={seed ?? ""}
          onInput={(event) => {
            const value = event.currentTarget.valueAsNumber;
            setOptions({ seed: Number.isNaN(value) ? null : Math.min(2 ** 31 - 1, Math.max(0, Math.floor(value))) });
          }}
        />
        <Button icon="dice" label={t("rollSeed")} look="soft" onClick={() => setOptions({ seed: null })} />
      </div>
      <p class="muted">{t("seedHint")}</p>
    </div>
  );
}

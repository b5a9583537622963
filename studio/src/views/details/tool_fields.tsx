/** What the forms of the tools are made of. */

import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import type { Video } from "../../api/types.ts";
import { Button } from "../../parts/button.tsx";
import { Range } from "../../parts/range.tsx";
import { put } from "../../state/gallery.ts";
import { secondsText } from "../../state/naming.ts";
import { attempt } from "../../state/notices.ts";
import { go, linkToVideo } from "../../state/route.ts";
import { t } from "../../text/translate.ts";

interface FormProps {
  make: () => Promise<Video>;
  children: ComponentChildren;
  isReady?: boolean;
  hint?: string | undefined;
}

/** Fields, and a button that begins and then shows what becomes of it. */
export function ToolForm({ make, children, isReady = true, hint }: FormProps): JSX.Element {
  const [isBusy, setBusy] = useState(false);
  const begin = async (): Promise<void> => {
    setBusy(true);
    const made = await attempt(make);
    setBusy(false);
    if (made === undefined) return;
    put(made);
    go(linkToVideo(made.id));
  };
  return (
    <form
      class="tool-form"
      onSubmit={(event) => {
        event.preventDefault();
        void begin();
      }}
    >
      {children}
      {hint !== undefined && <p class="muted">{hint}</p>}
      <button type="submit" class="button accent wide" disabled={!isReady || isBusy}>
        {t("makeIt")}
      </button>
    </form>
  );
}

interface PromptProps {
  value: string;
  onChange: (value: string) => void;
  /** What is taken when nothing is written. */
  before?: string | null | undefined;
}

export function PromptField({ value, onChange, before }: PromptProps): JSX.Element {
  return (
    <label class="field">
      <span>{t(before === undefined ? "prompt" : "promptOptional")}</span>
      <textarea
        rows={3}
        maxLength={32000}
        value={value}
        placeholder={before ? t("promptKept", { prompt: before }) : ""}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
    </label>
  );
}

export function Seconds(props: {
  label: string;
  value: number;
  max: number;
  onChange: (value: number) => void;
}): JSX.Element {
  return <Range {...props} min={0.25} step={0.25} text={t("seconds", { seconds: secondsText(props.value) })} />;
}

export function Strength({ value, onChange }: { value: number; onChange: (value: number) => void }): JSX.Element {
  return (
    <Range
      label={t("strength")}
      value={value}
      min={0.05}
      max={1}
      step={0.05}
      text={`${Math.round(100 * value)} %`}
      low={t("strengthLow")}
      high={t("strengthHigh")}
      onChange={onChange}
    />
  );
}

interface MomentProps {
  label: string;
  value: number;
  max: number;
  now: number;
  onChange: (value: number) => void;
}

/** A time in the video: a slider, and a button that takes where the player stands. */
export function Moment({ label, value, max, now, onChange }: MomentProps): JSX.Element {
  return (
    <div class="row moment">
      <Range
        {...{ label, value, max, onChange }}
        min={0}
        step={0.05}
        text={t("seconds", { seconds: secondsText(value) })}
      />
      <Button
        icon="cursor"
        label={`${label}: ${t("takePosition")}`}
        look="soft"
        onClick={() => onChange(onGrid(now))}
        size={16}
      />
    </div>
  );
}

export const onGrid = (seconds: number): number => Math.round(seconds * 20) / 20;

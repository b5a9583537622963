/** A slider with its name and value. */

import type { JSX } from "preact";

interface Props {
  label: string;
  value: number;
  min: number;
  max: number;
  step: number;
  text: string;
  onChange: (value: number) => void;
  low?: string;
  high?: string;
}

export function Range({ label, value, min, max, step, text, onChange, low, high }: Props): JSX.Element {
  return (
    <label class="range">
      <span class="range-head">
        <span>{label}</span>
        <span class="range-value" aria-hidden="true">
          {text}
        </span>
      </span>
      <input
        type="range"
        {...{ min, max, step }}
        value={value}
        aria-valuetext={text}
        style={{ "--share": `${(100 * (value - min)) / (max - min)}%` }}
        onInput={(event) => onChange(event.currentTarget.valueAsNumber)}
      />
      {low !== undefined && (
        <span class="range-ends" aria-hidden="true">
          <span>{low}</span>
          <span>{high}</span>
        </span>
      )}
    </label>
  );
}

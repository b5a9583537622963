/** One of a few, as a row of radio buttons. */

import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";

interface Props<T extends string | number> {
  label: string;
  value: T;
  options: readonly { readonly value: T; readonly text: ComponentChildren; readonly label?: string }[];
  onChange: (value: T) => void;
  className?: string;
  isLabelHidden?: boolean;
}

export function Choice<T extends string | number>(props: Props<T>): JSX.Element {
  const { label, value, options, onChange, className = "", isLabelHidden = false } = props;
  const name = useId();
  return (
    <fieldset class={`choice ${className}`}>
      <legend class={isLabelHidden ? "unseen" : ""}>{label}</legend>
      {options.map((option) => (
        <label key={option.value} class={option.value === value ? "chosen" : ""}>
          <input
            type="radio"
            name={name}
            checked={option.value === value}
            onChange={() => onChange(option.value)}
            aria-label={option.label}
          />
          <span>{option.text}</span>
        </label>
      ))}
    </fieldset>
  );
}

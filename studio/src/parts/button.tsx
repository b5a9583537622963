/** A button that shows an icon and says a word, or only shows it and says it to who cannot see. */

import type { JSX } from "preact";
import { Icon, type IconName } from "./icon.tsx";

interface Props {
  icon: IconName;
  label: string;
  onClick: () => void;
  /** Show the label beside the icon. */
  isWide?: boolean;
  look?: "plain" | "accent" | "soft" | "danger";
  isDisabled?: boolean;
  isPressed?: boolean;
  keys?: string;
  size?: number;
}

export function Button(props: Props): JSX.Element {
  const { icon, label, onClick, isWide = false, look = "plain", isDisabled = false, isPressed, keys, size } = props;
  return (
    <button
      type="button"
      class={`button ${look} ${isWide ? "wide" : "round"}`}
      onClick={onClick}
      disabled={isDisabled}
      title={isWide ? keys : keys === undefined ? label : `${label} (${keys})`}
      aria-label={isWide ? undefined : label}
      aria-pressed={isPressed}
      aria-keyshortcuts={keys}
    >
      <Icon name={icon} size={size ?? (isWide ? 18 : 20)} />
      {isWide && <span>{label}</span>}
    </button>
  );
}

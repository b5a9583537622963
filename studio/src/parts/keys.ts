/** Keys that act wherever one is, but not while one types. */

import { useEffect } from "preact/hooks";

export type KeyMap = Readonly<Record<string, () => void>>;

const TYPED = "input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]";
/** Elements that mean something by these keys themselves. */
const OWN: Readonly<Record<string, string>> = {
  " ": "button, a, input:not([type=range]), summary, [data-own-keys]",
  Enter: "button, a, input, summary, [data-own-keys]",
  ArrowLeft: "input, [data-own-keys]",
  ArrowRight: "input, [data-own-keys]",
};

export function useKeys(keys: KeyMap, isActive = true): void {
  useEffect(() => {
    if (!isActive) return;
    const press = (event: KeyboardEvent): void => {
      const action = keys[nameOf(event)];
      const target = event.target instanceof Element ? event.target : document.body;
      if (action === undefined || event.defaultPrevented || isTaken(target, event.key)) return;
      event.preventDefault();
      action();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  });
}

/** "Shift+ArrowLeft", "Ctrl+z": what was pressed, with Command as Ctrl. */
export function nameOf(event: KeyboardEvent): string {
  const isLetter = event.key.length === 1;
  const ctrl = event.ctrlKey || event.metaKey ? "Ctrl+" : "";
  return `${ctrl}${event.altKey ? "Alt+" : ""}${event.shiftKey && !isLetter ? "Shift+" : ""}${event.key}`;
}

function isTaken(target: Element, key: string): boolean {
  if (target.closest(TYPED) !== null) return true;
  const own = OWN[key];
  return own !== undefined && target.closest(own) !== null;
}

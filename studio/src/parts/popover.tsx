/** A button with a panel that opens over it. */

import type { ComponentChildren, JSX } from "preact";
import { useId, useRef, useState } from "preact/hooks";

interface Props {
  label: string;
  title: string;
  className?: string;
  button: ComponentChildren;
  children: ComponentChildren;
}

const MARGIN = 12;

export function Popover({ label, title, className = "", button, children }: Props): JSX.Element {
  const id = useId();
  const opener = useRef<HTMLButtonElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button
        ref={opener}
        type="button"
        class={`chip ${className}`}
        aria-label={label}
        title={label}
        aria-expanded={isOpen}
        popovertarget={id}
      >
        {button}
      </button>
      <div
        ref={panel}
        id={id}
        class="panel"
        role="group"
        aria-label={title}
        popover="auto"
        onToggle={(event) => {
          const opens = event.newState === "open";
          setOpen(opens);
          if (opens && opener.current && panel.current) putBeside(panel.current, opener.current);
        }}
      >
        {isOpen && (
          <>
            <h2>{title}</h2>
            {children}
          </>
        )}
      </div>
    </>
  );
}

/** Above its button if there is more room than below, and never over the edge of the window. */
function putBeside(panel: HTMLElement, opener: HTMLElement): void {
  const at = opener.getBoundingClientRect();
  const above = at.top > innerHeight - at.bottom;
  panel.style.top = above ? "auto" : `${at.bottom + MARGIN}px`;
  panel.style.bottom = above ? `${innerHeight - at.top + MARGIN}px` : "auto";
  panel.style.maxHeight = `${(above ? at.top : innerHeight - at.bottom) - 2 * MARGIN}px`;
  requestAnimationFrame(() => {
    const left = Math.min(at.left, innerWidth - panel.offsetWidth - MARGIN);
    panel.style.left = `${Math.max(MARGIN, left)}px`;
  });
}

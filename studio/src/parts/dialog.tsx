/** A window over the page: keeps the focus, closes on Escape or a click beside it. */

import { signal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { Notices } from "./notices.tsx";

interface Props {
  label: string;
  className: string;
  onClose: () => void;
  children: ComponentChildren;
}

/** The dialogs that are open, the uppermost last: all else on the page can be neither used nor read out. */
const open = signal<readonly object[]>([]);

export const isAnyDialogOpen = (): boolean => open.value.length > 0;

export function Dialog({ label, className, onClose, children }: Props): JSX.Element {
  const element = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    dialog?.showModal();
    open.value = [...open.value, element];
    return () => {
      open.value = open.value.filter((other) => other !== element);
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={element}
      class={className}
      aria-label={label}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onPointerDown={(event) => event.target === element.current && onClose()}
    >
      {children}
      {open.value.at(-1) === element && <Notices />}
    </dialog>
  );
}

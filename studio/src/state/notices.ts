/** Short messages that come and go, read out by screen readers. */

import { signal } from "@preact/signals";

export interface Notice {
  readonly key: number;
  readonly text: string;
  readonly isError: boolean;
  readonly link: { readonly label: string; readonly href: string } | null;
}

const STAY = 6000;
const STAY_ERROR = 14000;

export const notices = signal<readonly Notice[]>([]);
let next = 0;

export function say(text: string, link: Notice["link"] = null): void {
  show({ key: next++, text, isError: false, link });
}

/** Show why something failed; anything that is not an error is a mistake of this program, and thrown on. */
export function complain(error: unknown): void {
  if (!(error instanceof Error)) throw error;
  if (error.name === "AbortError") return;
  show({ key: next++, text: error.message, isError: true, link: null });
}

export function dismiss(key: number): void {
  notices.value = notices.value.filter((notice) => notice.key !== key);
}

/** Do something that the server may refuse, and say so if it does. */
export async function attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    complain(error);
    return undefined;
  }
}

function show(notice: Notice): void {
  notices.value = [...notices.value.filter((other) => other.text !== notice.text), notice].slice(-4);
  setTimeout(() => dismiss(notice.key), notice.isError ? STAY_ERROR : STAY);
}

/** What this browser remembers: the key, the language, the theme. */

import { effect, signal } from "@preact/signals";

export type Language = "en" | "zh";
export type Theme = "system" | "dark" | "light";

export const THEMES: readonly Theme[] = ["system", "dark", "light"];

export const apiKey = remembered<string>("tenku.key", "");
export const language = remembered<Language>(
  "tenku.language",
  navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en",
);
export const theme = remembered<Theme>("tenku.theme", "system");

/** Whether the server has asked for a key that it knows. */
export const askForKey = signal(false);

/** A signal whose value outlives the page. */
export function remembered<T>(name: string, otherwise: T) {
  const kept = signal<T>(read(name) ?? otherwise);
  effect(() => localStorage.setItem(name, JSON.stringify(kept.value)));
  return kept;

  function read(key: string): T | undefined {
    try {
      return JSON.parse(localStorage.getItem(key) ?? "null") ?? undefined;
    } catch {
      return undefined;
    }
  }
}

/** Show language and theme on the document itself. */
export function dressDocument(): void {
  effect(() => {
    document.documentElement.lang = language.value === "zh" ? "zh-Hans" : "en";
  });
  effect(() => {
    document.documentElement.dataset["theme"] = theme.value;
  });
}

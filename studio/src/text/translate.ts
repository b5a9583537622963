/** Text of the page in the chosen language. */

import { language } from "../state/settings.ts";
import { en, type Text } from "./en.ts";
import { zh } from "./zh.ts";

const dictionaries: Record<"en" | "zh", Record<Text, string>> = { en, zh };

/** A sentence; `{name}` in it becomes the value of that name. */
export function t(text: Text, values: Record<string, string | number> = {}): string {
  return dictionaries[language.value][text].replace(/\{(\w+)\}/g, (whole, name: string) =>
    String(values[name] ?? whole),
  );
}

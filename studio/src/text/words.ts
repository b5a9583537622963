/** Vocabularies of models. */

import { PHRASES } from "./vocabulary.ts";

export interface WordGroup {
  readonly name: string;
  readonly words: readonly string[];
}

/** The lists in what a model says it knows; those under a language only for that language. */
export function wordsOf(knows: Readonly<Record<string, unknown>>, language: string): readonly WordGroup[] {
  const own = knows[language];
  const source = isRecord(own) ? own : knows;
  return Object.entries(source)
    .filter(([name, words]) => name.length > 2 && Array.isArray(words) && words.length > 0)
    .map(([name, words]) => ({ name, words: (words as unknown[]).map((word) => written(String(word), language)) }));
}

/** A word as it is written in a prompt of that language. */
function written(word: string, language: string): string {
  const [english, chinese] = PHRASES[word] ?? [word, word];
  return language === "zh" ? chinese : english;
}

/** A prompt with a word at its end; Chinese needs no space. */
export function withWord(prompt: string, word: string): string {
  const text = prompt.trimEnd();
  const needsSpace = text !== "" && !/[㐀-鿿，。]$/.test(text) && !/^[㐀-鿿]/.test(word);
  return `${text}${needsSpace ? " " : ""}${word}`;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { EXAMPLES } from "../src/text/examples.ts";
import { en } from "../src/text/en.ts";
import { wordsOf, withWord } from "../src/text/words.ts";
import { zh } from "../src/text/zh.ts";

const blanks = (text: string): string[] => [...text.matchAll(/\{\w+\}/g)].map(([blank]) => blank).sort();

test("both languages leave the same blanks", () => {
  for (const [name, text] of Object.entries(en)) {
    assert.deepEqual(blanks(zh[name as keyof typeof en]), blanks(text), name);
  }
});

test("Chinese is Chinese wherever English has words", () => {
  const same = Object.entries(en).filter(([name, text]) => zh[name as keyof typeof en] === text);
  assert.deepEqual(same, []);
  assert.equal(EXAMPLES.zh.length, EXAMPLES.en.length);
});

test("every text is used", () => {
  const folder = join(process.cwd(), "src");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(
    (name) => /\.tsx?$/.test(name) && !/text[/\\](en|zh)\.ts$/.test(name),
  );
  const source = files.map((name) => readFileSync(join(folder, name), "utf8")).join("\n");
  assert.deepEqual(
    Object.keys(en).filter((name) => !source.includes(`"${name}"`)),
    [],
  );
});

test("words of a model are listed by kind, in the language if it has them by language", () => {
  const plain = { colours: ["red", "blue"], note: "not a list", empty: [] };
  assert.deepEqual(wordsOf(plain, "en"), [{ name: "colours", words: ["red", "blue"] }]);
  assert.deepEqual(wordsOf({ shapes: ["sphere", "torus"] }, "zh"), [{ name: "shapes", words: ["球", "torus"] }]);
  const both = { en: { colours: ["red"] }, zh: { colours: ["红色"] } };
  assert.deepEqual(wordsOf(both, "zh"), [{ name: "colours", words: ["红色"] }]);
});

test("a word is put behind the prompt, in Chinese without a space", () => {
  assert.equal(withWord("a ", "red"), "a red");
  assert.equal(withWord("", "red"), "red");
  assert.equal(withWord("一个", "红色"), "一个红色");
});

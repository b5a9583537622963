/** The words that the model knows, to put into the prompt. */

import type { JSX } from "preact";
import { Icon } from "../../parts/icon.tsx";
import { Popover } from "../../parts/popover.tsx";
import { prompt } from "../../state/draft.ts";
import { model } from "../../state/model.ts";
import { language } from "../../state/settings.ts";
import { t } from "../../text/translate.ts";
import { wordsOf, withWord } from "../../text/words.ts";

export function WordsPanel(): JSX.Element | null {
  const groups = wordsOf(model.value?.knows ?? {}, language.value);
  if (groups.length === 0) return null;
  const button = (
    <>
      <Icon name="words" size={18} />
      <span class="chip-text">{t("words")}</span>
    </>
  );
  return (
    <Popover label={t("wordsTitle")} title={t("wordsTitle")} button={button}>
      <p class="muted">{t("wordsHint")}</p>
      {groups.map(({ name, words }) => (
        <div key={name} class="words" role="group" aria-label={name}>
          {words.map((word) => (
            <button key={word} type="button" onClick={() => (prompt.value = withWord(prompt.value, word))}>
              {word}
            </button>
          ))}
        </div>
      ))}
    </Popover>
  );
}

/** The floating bar in which a prompt is written. */

import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Button } from "../../parts/button.tsx";
import { Icon } from "../../parts/icon.tsx";
import { isSubmitting, picture, prompt, submit } from "../../state/draft.ts";
import { language } from "../../state/settings.ts";
import { chooseFiles } from "../../state/uploading.ts";
import { EXAMPLES } from "../../text/examples.ts";
import { t } from "../../text/translate.ts";
import { OptionsPanel } from "./options_panel.tsx";
import { WordsPanel } from "./words_panel.tsx";

const PROMPT = "prompt";

export function focusPrompt(): void {
  document.getElementById(PROMPT)?.focus();
}

export function Composer(): JSX.Element {
  const [isFocused, setFocused] = useState(false);
  const [hasSent, setSent] = useState(false); // whoever has sent one wants to see what becomes of it
  const showsExamples = isFocused && !hasSent && prompt.value.trim() === "";
  const send = (): void => {
    setSent(true);
    void submit();
  };
  return (
    <form
      class="composer"
      aria-label={t("promptLabel")}
      onFocusIn={() => setFocused(true)}
      onFocusOut={(event) => {
        const stays = event.currentTarget.contains(event.relatedTarget as Node | null);
        setFocused(stays);
        if (!stays) setSent(false);
      }}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {showsExamples && <Examples />}
      <div class="composer-box">
        {picture.value !== null && <Attached file={picture.value} />}
        <PromptField onSend={send} />
        <div class="composer-row">
          <Button icon="picture" label={t("addPicture")} onClick={() => void attach()} />
          <OptionsPanel />
          <WordsPanel />
          <button
            type="submit"
            class="button accent round create"
            disabled={prompt.value.trim() === "" || isSubmitting.value}
            title={`${t("createButton")} (Enter)`}
            aria-label={t("createButton")}
          >
            <Icon name="up" />
          </button>
        </div>
      </div>
    </form>
  );
}

async function attach(): Promise<void> {
  const [file] = await chooseFiles("image/png,image/jpeg,image/webp");
  if (file !== undefined) picture.value = file;
  focusPrompt();
}

function PromptField({ onSend }: { onSend: () => void }): JSX.Element {
  const field = useRef<HTMLTextAreaElement>(null);
  const text = prompt.value;
  useEffect(() => {
    // Browsers that know field-sizing need no help.
    if (field.current === null || CSS.supports("field-sizing", "content")) return;
    field.current.style.height = "auto";
    field.current.style.height = `${field.current.scrollHeight}px`;
  }, [text]);
  return (
    <textarea
      ref={field}
      id={PROMPT}
      rows={1}
      maxLength={32000}
      enterkeyhint="send"
      aria-label={t("promptLabel")}
      placeholder={t(picture.value === null ? "promptPlaceholder" : "promptPlaceholderImage")}
      value={text}
      onInput={(event) => (prompt.value = event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key === "Escape") event.currentTarget.blur();
        if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
        event.preventDefault();
        onSend();
      }}
    />
  );
}

function Examples(): JSX.Element {
  return (
    <div class="examples" role="group" aria-label={t("examples")}>
      {EXAMPLES[language.value].map((example) => (
        <button
          key={example}
          type="button"
          class="example"
          aria-label={t("tryExample", { prompt: example })}
          onClick={() => {
            prompt.value = example;
            focusPrompt();
          }}
        >
          {example}
        </button>
      ))}
    </div>
  );
}

function Attached({ file }: { file: File }): JSX.Element {
  const url = useMemo(() => URL.createObjectURL(file), [file]);
  useEffect(() => () => URL.revokeObjectURL(url), [url]);
  return (
    <div class="attached">
      <img src={url} alt={t("pictureAlt")} />
      <Button icon="close" label={t("removePicture")} onClick={() => (picture.value = null)} size={14} />
    </div>
  );
}

/** Key, language, theme. */

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Button } from "../../parts/button.tsx";
import { Choice } from "../../parts/choice.tsx";
import { Dialog } from "../../parts/dialog.tsx";
import { model } from "../../state/model.ts";
import { apiKey, askForKey, language, theme, THEMES } from "../../state/settings.ts";
import { t } from "../../text/translate.ts";
import { THEME_NAMES } from "./navigation.tsx";

export function Settings({ onClose }: { onClose: () => void }): JSX.Element {
  const close = (): void => {
    askForKey.value = false;
    onClose();
  };
  return (
    <Dialog label={t("settingsTitle")} className="sheet" onClose={close}>
      <header>
        <h2>{t("settingsTitle")}</h2>
        <Button icon="close" label={t("close")} onClick={close} />
      </header>
      <KeyForm onDone={close} />
      <Choice
        label={t("languageLabel")}
        value={language.value}
        options={[
          { value: "en", text: "English" },
          { value: "zh", text: "中文" },
        ]}
        onChange={(value) => (language.value = value)}
      />
      <Choice
        label={t("themeLabel")}
        value={theme.value}
        options={THEMES.map((value) => ({ value, text: t(THEME_NAMES[value]) }))}
        onChange={(value) => (theme.value = value)}
      />
      {model.value !== null && (
        <p class="muted">
          {t("factModel")}: {model.value.id}
        </p>
      )}
    </Dialog>
  );
}

function KeyForm({ onDone }: { onDone: () => void }): JSX.Element {
  const [text, setText] = useState(apiKey.value);
  const isOpen = useIsOpen();
  if (isOpen && apiKey.value === "") return <p class="muted">{t("keyOpen")}</p>;
  return (
    <form
      class="field"
      onSubmit={(event) => {
        event.preventDefault();
        apiKey.value = text.trim();
        onDone();
      }}
    >
      <label for="key">{t("keyLabel")}</label>
      {askForKey.value && <p role="alert">{t("keyNeeded")}</p>}
      <input
        id="key"
        type="password"
        autocomplete="off"
        spellcheck={false}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <p class="muted">{t("keyKept")}</p>
      <div class="row">
        <button type="submit" class="button accent wide">
          {t("keySave")}
        </button>
        {apiKey.value !== "" && (
          <Button
            icon="trash"
            label={t("keyForget")}
            isWide
            look="soft"
            onClick={() => (setText(""), (apiKey.value = ""))}
          />
        )}
      </div>
    </form>
  );
}

/** Whether the server lets everyone in. */
function useIsOpen(): boolean {
  const [isOpen, setOpen] = useState(false);
  useEffect(() => {
    fetch("/v1/me")
      .then(async (response) => response.ok && ((await response.json()) as { open: boolean }).open)
      .then(setOpen, () => setOpen(false));
  }, []);
  return isOpen;
}

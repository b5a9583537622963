/** Video that goes on and follows what one types. */

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Button } from "../../parts/button.tsx";
import { Icon } from "../../parts/icon.tsx";
import { options, ratioOf } from "../../state/draft.ts";
import { language } from "../../state/settings.ts";
import { EXAMPLES } from "../../text/examples.ts";
import { t } from "../../text/translate.ts";
import { frames, said, shape, start, state, stop, tell } from "./session.ts";

export function Live(): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => stop, []);
  const isOn = state.value === "starting" || state.value === "running";
  const ratio = shape.value === null ? ratioOf(options.value.size) : shape.value.width / shape.value.height;
  const say = (text: string): void => {
    if (isOn) tell(text);
    else void start(text, options.value.size, (frame) => draw(canvas.current, frame));
  };
  return (
    <div class="live">
      <h1 class={state.value === "idle" ? "" : "unseen"}>{t("liveTitle")}</h1>
      {state.value === "idle" && <p class="lead">{t("liveText")}</p>}
      <div class={`stage live-stage ${state.value}`} style={{ "--ratio": String(ratio) }}>
        <div class="stage-frame">
          <canvas ref={canvas} role="img" aria-label={t("liveCanvas")} data-frames={frames.value} />
          {state.value === "starting" && <p class="stage-note">{t("liveStarting")}</p>}
          {state.value === "ended" && <p class="stage-note">{t("liveEnded")}</p>}
          {state.value === "running" && (
            <span class="live-badge">
              <span class="pulse on" /> {(frames.value / (shape.value?.fps ?? 16)).toFixed(1)}
            </span>
          )}
        </div>
      </div>
      <Log />
      <Speaker isOn={isOn} onSay={say} />
    </div>
  );
}

function draw(canvas: HTMLCanvasElement | null, frame: ImageBitmap): void {
  if (canvas === null) return;
  if (canvas.width !== frame.width || canvas.height !== frame.height) {
    canvas.width = frame.width;
    canvas.height = frame.height;
  }
  canvas.getContext("2d")?.drawImage(frame, 0, 0);
  frame.close();
}

function Log(): JSX.Element | null {
  if (said.value.length === 0) return null;
  const fps = shape.value?.fps ?? 16;
  return (
    <ol class="live-log" aria-label={t("liveLog")}>
      {said.value.slice(-4).map(({ text, atFrame }) => (
        <li key={`${atFrame} ${text}`}>
          <time>{(atFrame / fps).toFixed(1)}</time> {text}
        </li>
      ))}
    </ol>
  );
}

function Speaker({ isOn, onSay }: { isOn: boolean; onSay: (text: string) => void }): JSX.Element {
  const [text, setText] = useState("");
  const say = (event: Event): void => {
    event.preventDefault();
    if (text.trim() === "") return;
    onSay(text.trim());
    setText("");
  };
  return (
    <form class="composer" aria-label={t("liveTitle")} onSubmit={say}>
      {!isOn && text === "" && (
        <div class="examples" role="group" aria-label={t("examples")}>
          {EXAMPLES[language.value].slice(0, 4).map((example) => (
            <button key={example} type="button" class="example" onClick={() => setText(example)}>
              {example}
            </button>
          ))}
        </div>
      )}
      <div class="composer-box live-box">
        <input
          id="prompt"
          autocomplete="off"
          aria-label={t(isOn ? "liveNext" : "livePlaceholder")}
          placeholder={t(isOn ? "liveNext" : "livePlaceholder")}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        {isOn && <Button icon="close" label={t("liveStop")} isWide look="soft" onClick={stop} />}
        <button
          type="submit"
          class="button accent round create"
          disabled={text.trim() === ""}
          aria-label={t(isOn ? "liveSend" : "liveStart")}
        >
          <Icon name={isOn ? "up" : "play"} />
        </button>
      </div>
      {isOn && <p class="composer-note">{t("liveFollows")}</p>}
    </form>
  );
}

/** The chosen part as a form: all that one can do with the pointer can be done here. */

import type { JSX } from "preact";
import type { Transition } from "../../api/types.ts";
import { change, leaveOut, move, offsetOf, setGapPrompt, swap } from "../../board/board.ts";
import type { Span } from "../../board/spans.ts";
import { Button } from "../../parts/button.tsx";
import { Choice } from "../../parts/choice.tsx";
import { Icon } from "../../parts/icon.tsx";
import { t } from "../../text/translate.ts";
import { cut, followerOf, PROMPT_FIELD, takeAway, withLength } from "./gestures.ts";
import { JOINTS, kindOfSpan } from "./names.ts";
import { apply, board, chosenSpan } from "./state.ts";

export function Inspector(): JSX.Element {
  const span = chosenSpan.value;
  return (
    <section class="inspector" aria-label={t("inspector")}>
      {span === undefined ? <p class="muted">{t("inspectorEmpty")}</p> : <Fields span={span} />}
    </section>
  );
}

function Fields({ span }: { span: Span }): JSX.Element {
  const { card, key, joint, joints } = span;
  return (
    <>
      <header>
        <h2>{t(kindOfSpan(span))}</h2>
        {card !== null && (
          <span class="row">
            <Button icon="back" label={t("moveEarlier")} onClick={() => apply(swap(board.value, key, -1))} />
            <Button icon="forward" label={t("moveLater")} onClick={() => apply(swap(board.value, key, 1))} />
            <Button icon="cut" label={t("cutHere")} keys="S" onClick={() => cut(span)} />
          </span>
        )}
        <Button icon="trash" label={t("removeCard")} keys="Delete" onClick={() => takeAway(span)} />
      </header>
      <PromptField span={span} />
      <div class="row numbers">
        {card !== null && (
          <Seconds
            label={t("start")}
            frames={span.start}
            onChange={(frames) => apply(move(board.value, key, frames))}
          />
        )}
        {card !== null && card.longest !== null && (
          <Seconds
            label={t("offset")}
            frames={offsetOf(card)}
            onChange={(frames) => apply(leaveOut(board.value, key, frames))}
          />
        )}
        <Seconds label={t("length")} frames={span.frames} onChange={(frames) => apply(withLength(span, frames))} />
      </div>
      {joint !== null && joints.length > 0 && (
        <Choice<Transition>
          label={t("jointLabel")}
          value={joint}
          options={joints.map((value) => ({
            value,
            text: (
              <>
                <Icon name={JOINTS[value].icon} size={16} /> {t(JOINTS[value].text)}
              </>
            ),
          }))}
          onChange={(value) => apply(change(board.value, key, (one) => ({ ...one, joint: value })))}
        />
      )}
    </>
  );
}

function PromptField({ span }: { span: Span }): JSX.Element {
  const write = (prompt: string): void => {
    const changed =
      span.card === null
        ? setGapPrompt(board.value, followerOf(span), prompt)
        : change(board.value, span.key, (card) => ({ ...card, prompt }));
    apply(changed, `prompt of ${span.key}`);
  };
  const hint =
    span.card === null ? "gapPromptPlaceholder" : span.card.video ? "clipPromptPlaceholder" : "cardPromptPlaceholder";
  return (
    <label class="field">
      <span>{t("prompt")}</span>
      <textarea
        id={PROMPT_FIELD}
        rows={3}
        maxLength={32000}
        value={span.prompt}
        placeholder={t(hint)}
        onInput={(event) => write(event.currentTarget.value)}
      />
    </label>
  );
}

function Seconds(props: { label: string; frames: number; onChange: (frames: number) => void }): JSX.Element {
  const { fps } = board.value;
  return (
    <label class="field">
      <span>{props.label}</span>
      <input
        type="number"
        min={0}
        step={0.25}
        value={props.frames / fps}
        onChange={(event) => {
          const { valueAsNumber: seconds } = event.currentTarget;
          if (Number.isFinite(seconds)) props.onChange(seconds * fps);
        }}
      />
    </label>
  );
}

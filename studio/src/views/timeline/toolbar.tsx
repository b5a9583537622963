/** What acts on the whole timeline. */

import type { JSX } from "preact";
import { Button } from "../../parts/button.tsx";
import { sizes } from "../../state/model.ts";
import { ACCEPTED, chooseFiles, uploadAll } from "../../state/uploading.ts";
import { t } from "../../text/translate.ts";
import {
  addPrompt,
  addToTimeline,
  apply,
  board,
  canRedo,
  canUndo,
  goBack,
  goForward,
  isSending,
  makeVideo,
  problem,
  startAnew,
} from "./state.ts";

export const PROMPT_DRAG = "application/x-tenku-prompt";

export function Toolbar(): JSX.Element {
  const { cards, isLoop } = board.value;
  const hint = problem.value === null ? undefined : t(problem.value);
  return (
    <div class="toolbar" role="toolbar" aria-label={t("timelineTitle")}>
      <span draggable onDragStart={(event) => event.dataTransfer?.setData(PROMPT_DRAG, "prompt")}>
        <Button icon="plus" label={t("addPrompt")} isWide look="soft" onClick={() => addPrompt()} />
      </span>
      <Button icon="upload" label={t("addFile")} onClick={() => void addFiles()} />
      <Button icon="undo" label={t("undo")} keys="Ctrl+Z" isDisabled={!canUndo.value} onClick={goBack} />
      <Button icon="redo" label={t("redo")} keys="Ctrl+Shift+Z" isDisabled={!canRedo.value} onClick={goForward} />
      <Button icon="trash" label={t("clear")} isDisabled={cards.length === 0} onClick={startAnew} />
      <span class="spread" />
      <SizeSelect />
      <Button
        icon="loop"
        label={t("loopAfter")}
        isWide
        look="soft"
        isPressed={isLoop}
        keys={t("loopAfterHint")}
        onClick={() => apply({ ...board.value, isLoop: !isLoop })}
      />
      <button
        type="button"
        class="button accent wide"
        title={hint}
        aria-describedby="timeline-problem"
        disabled={hint !== undefined || isSending.value}
        onClick={() => void makeVideo()}
      >
        {t("makeStoryboard")}
      </button>
      <span id="timeline-problem" class="unseen">
        {hint}
      </span>
    </div>
  );
}

async function addFiles(): Promise<void> {
  for (const video of await uploadAll(await chooseFiles(ACCEPTED, true))) addToTimeline(video);
}

function SizeSelect(): JSX.Element {
  const { size } = board.value;
  const all = sizes.value.includes(size) ? sizes.value : [size, ...sizes.value];
  return (
    <select
      class="select"
      aria-label={t("factSize")}
      value={size}
      onChange={(event) => apply({ ...board.value, size: event.currentTarget.value })}
    >
      {all.map((value) => (
        <option key={value} value={value}>
          {value.replace("x", " × ")}
        </option>
      ))}
    </select>
  );
}

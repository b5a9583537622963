/** What a tool wants to know before it begins. */

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Video } from "../../api/types.ts";
import { blend, edit, extend, fill, loop, remix } from "../../api/videos.ts";
import { Button } from "../../parts/button.tsx";
import { Choice } from "../../parts/choice.tsx";
import { LOOP_SECONDS } from "../../state/afterwards.ts";
import { t } from "../../text/translate.ts";
import type { Mask } from "./mask.ts";
import { MaskTools } from "./mask_tools.tsx";
import { Moment, onGrid, PromptField, Seconds, Strength, ToolForm } from "./tool_fields.tsx";
import { TOOLS, type Tool } from "./tools.ts";
import { VideoPicker } from "./video_picker.tsx";

interface Props {
  tool: Tool;
  video: Video;
  /** What the player shows. */
  frame: number;
  mask: Mask | null;
  onBack: () => void;
}

export function ToolPanel(props: Props): JSX.Element {
  const { tool, onBack } = props;
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (tool !== "edit") heading.current?.focus();
  }, []);
  const Form = FORMS[tool];
  return (
    <div class="tool-panel">
      <header>
        <Button icon="back" label={t("back")} onClick={onBack} />
        <h2 ref={heading} tabIndex={-1}>
          {t(tool)}
        </h2>
      </header>
      <p class="muted">{t(TOOLS.find(({ name }) => name === tool)?.text ?? "extendText")}</p>
      <Form {...props} />
    </div>
  );
}

const FORMS: Record<Tool, (props: Props) => JSX.Element> = {
  extend: ExtendForm,
  loop: LoopForm,
  remix: RemixForm,
  edit: EditForm,
  fill: FillForm,
  blend: BlendForm,
};

function ExtendForm({ video }: Props): JSX.Element {
  const [prompt, setPrompt] = useState("");
  const [seconds, setSeconds] = useState(2);
  const [where, setWhere] = useState<"after" | "before">("after");
  const said = prompt.trim() || video.prompt?.trim() || "";
  return (
    <ToolForm
      make={() => extend(video.id, { prompt: said, seconds, before: where === "before" })}
      isReady={said !== ""}
    >
      <Choice
        label={t("extendWhere")}
        value={where}
        options={[
          { value: "after", text: t("extendAfter") },
          { value: "before", text: t("extendBefore") },
        ]}
        onChange={setWhere}
      />
      <Seconds label={t("length")} value={seconds} max={20} onChange={setSeconds} />
      <PromptField value={prompt} onChange={setPrompt} before={video.prompt || undefined} />
    </ToolForm>
  );
}

function LoopForm({ video }: Props): JSX.Element {
  const [prompt, setPrompt] = useState("");
  const [seconds, setSeconds] = useState(LOOP_SECONDS);
  return (
    <ToolForm make={() => loop(video.id, { prompt, seconds })}>
      <Seconds label={t("length")} value={seconds} max={4} onChange={setSeconds} />
      <PromptField value={prompt} onChange={setPrompt} before={video.prompt} />
    </ToolForm>
  );
}

function RemixForm({ video }: Props): JSX.Element {
  const [prompt, setPrompt] = useState(video.prompt ?? "");
  const [strength, setStrength] = useState(0.6);
  return (
    <ToolForm make={() => remix(video.id, prompt, strength)} isReady={prompt.trim() !== ""}>
      <PromptField value={prompt} onChange={setPrompt} />
      <Strength value={strength} onChange={setStrength} />
    </ToolForm>
  );
}

function EditForm({ video, mask }: Props): JSX.Element {
  const [prompt, setPrompt] = useState(video.prompt ?? "");
  const [strength, setStrength] = useState(1);
  const isPainted = mask !== null && !mask.isEmpty.value;
  return (
    <ToolForm
      make={async () => edit(video.id, prompt, strength, (await mask?.png()) ?? null)}
      isReady={prompt.trim() !== "" && isPainted}
      hint={isPainted ? undefined : t("maskNeeded")}
    >
      {mask !== null && <MaskTools mask={mask} />}
      <PromptField value={prompt} onChange={setPrompt} />
      <Strength value={strength} onChange={setStrength} />
    </ToolForm>
  );
}

function FillForm({ video, frame }: Props): JSX.Element {
  const length = video.num_frames / video.fps;
  const [prompt, setPrompt] = useState("");
  const [start, setStart] = useState(onGrid(length / 4));
  const [end, setEnd] = useState(onGrid((3 * length) / 4));
  const now = frame / video.fps;
  return (
    <ToolForm make={() => fill(video.id, { prompt, start, end })} isReady={start < end}>
      <Moment label={t("from")} value={start} max={length} now={now} onChange={setStart} />
      <Moment label={t("to")} value={end} max={length} now={now} onChange={setEnd} />
      <PromptField value={prompt} onChange={setPrompt} before={video.prompt} />
    </ToolForm>
  );
}

function BlendForm({ video }: Props): JSX.Element {
  const [prompt, setPrompt] = useState("");
  const [seconds, setSeconds] = useState(1);
  const [second, setSecond] = useState<string | null>(null);
  return (
    <ToolForm
      make={() => blend(video.id, second ?? "", { prompt, seconds })}
      isReady={second !== null}
      hint={second === null ? t("blendNeeded") : undefined}
    >
      <VideoPicker label={t("blendWith")} without={video.id} value={second} onChange={setSecond} />
      <Seconds label={t("length")} value={seconds} max={4} onChange={setSeconds} />
      <PromptField value={prompt} onChange={setPrompt} />
    </ToolForm>
  );
}

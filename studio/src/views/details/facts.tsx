/** What is known of a video, and what one can do with it. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { isRunning, type Video } from "../../api/types.ts";
import { remove, rename } from "../../api/videos.ts";
import { Button } from "../../parts/button.tsx";
import { Icon } from "../../parts/icon.tsx";
import { prompt, setOptions } from "../../state/draft.ts";
import { drop, put } from "../../state/gallery.ts";
import { fetchFile } from "../../state/media.ts";
import { dateText, kindOf, secondsText, titleOf } from "../../state/naming.ts";
import { attempt, say } from "../../state/notices.ts";
import { go, linkTo } from "../../state/route.ts";
import { saveFile } from "../../state/uploading.ts";
import { t } from "../../text/translate.ts";
import { focusPrompt } from "../composer/composer.tsx";
import { stop } from "../library/video_card.tsx";
import { addToTimeline } from "../timeline/state.ts";
import { CredentialsCard } from "./credentials_card.tsx";
import { Relatives } from "./relatives.tsx";
import { toolIcon, TOOLS, type Tool } from "./tools.ts";

export function Facts({ video, onTool }: { video: Video; onTool: (tool: Tool) => void }): JSX.Element {
  const isDone = video.status === "completed";
  return (
    <>
      <TitleField key={video.title} video={video} />
      {video.prompt && <Prompt text={video.prompt} seed={video.seed} />}
      {isRunning(video) && (
        <Button icon="close" label={t("cancel")} isWide look="soft" onClick={() => void stop(video)} />
      )}
      {isDone && <Tools onTool={onTool} />}
      {isDone && <Files video={video} />}
      <FactList video={video} />
      <Relatives video={video} />
      {isDone && <CredentialsCard id={video.id} />}
      {!isRunning(video) && <Removal video={video} />}
    </>
  );
}

function TitleField({ video }: { video: Video }): JSX.Element {
  return (
    <input
      class="title-field"
      aria-label={t("titleLabel")}
      placeholder={t("titlePlaceholder")}
      maxLength={200}
      defaultValue={video.title ?? ""}
      onKeyDown={(event) => event.key === "Enter" && event.currentTarget.blur()}
      onChange={(event) => {
        const title = event.currentTarget.value.trim();
        void attempt(async () => put(await rename(video.id, title)));
      }}
    />
  );
}

function Prompt({ text, seed }: { text: string; seed: number | null }): JSX.Element {
  return (
    <section class="prompt-text">
      <h3 class="unseen">{t("prompt")}</h3>
      <p>{text}</p>
      <div class="row">
        <Button
          icon="copy"
          label={t("copyPrompt")}
          onClick={() => void attempt(() => navigator.clipboard.writeText(text)).then(() => say(t("copied")))}
        />
        <Button
          icon="repeat"
          label={t("usePrompt")}
          onClick={() => {
            prompt.value = text;
            setOptions({ seed });
            go(linkTo("library"));
            requestAnimationFrame(focusPrompt);
          }}
        />
      </div>
    </section>
  );
}

function Tools({ onTool }: { onTool: (tool: Tool) => void }): JSX.Element {
  return (
    <div class="tools" role="group" aria-label={t("actions")}>
      {TOOLS.map(({ name, key, text }) => (
        <button
          key={name}
          type="button"
          title={`${t(text)} (${key.toUpperCase()})`}
          aria-keyshortcuts={key}
          onClick={() => onTool(name)}
        >
          <Icon name={toolIcon(name)} />
          <span>{t(name)}</span>
        </button>
      ))}
    </div>
  );
}

function Files({ video }: { video: Video }): JSX.Element {
  const save = (variant: "video" | "latents", ending: string): void => {
    void attempt(async () => saveFile(await fetchFile(video.id, variant), `${fileName(video)}.${ending}`));
  };
  return (
    <div class="row files">
      <Button icon="download" label={t("download")} isWide look="accent" onClick={() => save("video", "mp4")} />
      <Button
        icon="timeline"
        label={t("toTimeline")}
        isWide
        look="soft"
        onClick={() => {
          addToTimeline(video);
          say(t("onTimeline"), { label: t("goThere"), href: linkTo("timeline") });
        }}
      />
      {video.has_latents && (
        <button
          type="button"
          class="button soft wide"
          title={t("downloadLatentsHint")}
          aria-label={t("downloadLatents")}
          onClick={() => save("latents", "tenku")}
        >
          .tenku
        </button>
      )}
    </div>
  );
}

const fileName = (video: Video): string =>
  titleOf(video)
    .slice(0, 60)
    .trim()
    .replace(/[\s\\/:*?"<>|.]+/g, "-") || video.id;

function FactList({ video }: { video: Video }): JSX.Element {
  const { width, height, native_size: native, num_frames: frames, fps } = video;
  const seconds = secondsText(frames / fps);
  const rows: readonly (readonly [string, string | null])[] = [
    [t("factKind"), kindOf(video)],
    [
      t("factSize"),
      `${width} × ${height}${native ? ` · ${t("factMadeAt", { size: native.replace("x", " × ") })}` : ""}`,
    ],
    [t("factLength"), t("factLengthValue", { seconds, frames, fps: secondsText(fps) })],
    [t("factSeed"), video.kind === "upload" || video.seed === null ? null : String(video.seed)],
    [t("factModel"), video.kind === "upload" ? null : video.model],
    [t("factMade"), dateText(video.created_at)],
  ];
  return (
    <dl class="facts">
      {rows.map(
        ([name, value]) =>
          value !== null && (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ),
      )}
    </dl>
  );
}

function Removal({ video }: { video: Video }): JSX.Element {
  const [isAsked, setAsked] = useState(false);
  if (!isAsked) return <Button icon="trash" label={t("remove")} isWide onClick={() => setAsked(true)} />;
  return (
    <div class="row" role="group" aria-label={t("removeSure")}>
      <Button icon="trash" label={t("removeSure")} isWide look="danger" onClick={() => void removeIt(video)} />
      <Button icon="close" label={t("back")} onClick={() => setAsked(false)} />
    </div>
  );
}

async function removeIt(video: Video): Promise<void> {
  if ((await attempt(() => remove(video.id))) === undefined) return;
  drop(video.id);
  go(linkTo("library"));
  say(t("removed"));
}

/** Is this file one of ours? */

import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { Button } from "../../parts/button.tsx";
import { Icon } from "../../parts/icon.tsx";
import { chooseFiles } from "../../state/uploading.ts";
import { t } from "../../text/translate.ts";
import { examined, verifyFile, type Examined } from "./state.ts";
import { Verdict } from "./verdict.tsx";

export function Verify(): JSX.Element {
  const shown = examined.value;
  return (
    <div class="verify">
      <h1>{t("verifyTitle")}</h1>
      <p class="lead">{t("verifyText")}</p>
      {shown === null ? <Invitation /> : <Result shown={shown} />}
      <p class="muted">{t("verifyPrivate")}</p>
    </div>
  );
}

function Invitation(): JSX.Element {
  return (
    <button type="button" class="verify-drop" onClick={() => void choose()}>
      <Icon name="verify" size={44} />
      <span>{t("verifyChoose")}</span>
    </button>
  );
}

function Result({ shown: { file, found } }: { shown: Examined }): JSX.Element {
  return (
    <section class="verify-result" aria-label={t("verifyResult")} aria-live="polite" aria-busy={found === null}>
      <FilePicture file={file} />
      <div>
        <p class="verify-name">{file.name}</p>
        {found === null && <p class="muted">{t("verifyBusy", { name: file.name })}</p>}
        {found instanceof Error && <p role="alert">{found.message}</p>}
        {found !== null && !(found instanceof Error) && <Verdict found={found} />}
        <Button icon="upload" label={t("verifyAnother")} isWide look="soft" onClick={() => void choose()} />
      </div>
    </section>
  );
}

function FilePicture({ file }: { file: File }): JSX.Element | null {
  const url = useMemo(() => URL.createObjectURL(file), [file]);
  useEffect(() => () => URL.revokeObjectURL(url), [url]);
  if (file.type.startsWith("video/")) return <video src={url} muted loop autoplay playsInline aria-hidden="true" />;
  if (file.type.startsWith("image/")) return <img src={url} alt="" />;
  return null;
}

async function choose(): Promise<void> {
  const [file] = await chooseFiles("");
  if (file !== undefined) await verifyFile(file);
}

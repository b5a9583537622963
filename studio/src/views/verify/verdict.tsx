/** A verdict on a file: in a sentence, then in detail. */

import type { JSX } from "preact";
import type { Credentials } from "../../api/types.ts";
import { sentence } from "../../api/client.ts";
import { Icon, type IconName } from "../../parts/icon.tsx";
import { t } from "../../text/translate.ts";
import { rowsOf } from "./rows.ts";

export function Verdict({ found }: { found: Credentials }): JSX.Element {
  const tone = toneOf(found.verdict);
  const rows = [...rowsOf(found.manifest), ...rowsOf(found.watermark, t("watermark"))];
  return (
    <div class={`verdict ${tone}`} data-verdict={found.verdict}>
      <p class="verdict-sentence">
        <Icon name={ICONS[tone]} size={22} />
        <span>{sentence(found.sentence)}</span>
      </p>
      {rows.length > 0 && (
        <details>
          <summary>{t("credentialsMore")}</summary>
          <dl class="facts">
            {rows.map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
        </details>
      )}
    </div>
  );
}

type Tone = "good" | "changed" | "unknown";

const ICONS: Record<Tone, IconName> = { good: "verify", changed: "warning", unknown: "unknown" };

function toneOf(verdict: string): Tone {
  if (/intact/.test(verdict)) return "good";
  return /changed|watermark/.test(verdict) ? "changed" : "unknown";
}

/** What the keys do. */

import type { JSX } from "preact";
import { Button } from "../../parts/button.tsx";
import { Dialog } from "../../parts/dialog.tsx";
import type { Text } from "../../text/en.ts";
import { t } from "../../text/translate.ts";

const KEYS: readonly (readonly [readonly string[], Text])[] = [
  [["/"], "keyPrompt"],
  [["1", "2", "3", "4"], "keyPlaces"],
  [["Space"], "keyPlay"],
  [["←", "→", ",", "."], "keyFrames"],
  [["Home", "End"], "keyEnds"],
  [["PgUp", "PgDn"], "keyNeighbours"],
  [["E", "L", "R", "M", "F", "B"], "keyTools"],
  [["?"], "keyHelp"],
];

export function Shortcuts({ onClose }: { onClose: () => void }): JSX.Element {
  return (
    <Dialog label={t("keysTitle")} className="sheet" onClose={onClose}>
      <header>
        <h2>{t("keysTitle")}</h2>
        <Button icon="close" label={t("close")} onClick={onClose} />
      </header>
      <dl class="keys">
        {KEYS.map(([keys, text]) => (
          <div key={text}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{t(text)}</dd>
          </div>
        ))}
      </dl>
      <p class="muted">
        {t("placeTimeline")}: {t("timelineKeys")}
      </p>
    </Dialog>
  );
}

/** The rail at the side; at the bottom on a phone. */

import type { JSX } from "preact";
import { Icon, Logo, type IconName } from "../../parts/icon.tsx";
import { linkTo, type Place } from "../../state/route.ts";
import { language, theme, THEMES, type Theme } from "../../state/settings.ts";
import type { Text } from "../../text/en.ts";
import { t } from "../../text/translate.ts";

const PLACES: readonly (readonly [Place, Text, IconName])[] = [
  ["library", "placeLibrary", "library"],
  ["timeline", "placeTimeline", "timeline"],
  ["live", "placeLive", "live"],
  ["verify", "placeVerify", "verify"],
];

export const THEME_NAMES: Record<Theme, Text> = {
  system: "themeSystem",
  dark: "themeDark",
  light: "themeLight",
};

interface Props {
  place: Place;
  onSettings: () => void;
  onShortcuts: () => void;
}

export function Navigation({ place, onSettings, onShortcuts }: Props): JSX.Element {
  return (
    <nav class="rail" aria-label={t("mainNavigation")}>
      <a class="brand" href={linkTo("library")} aria-label={t("appName")}>
        <Logo />
      </a>
      <ul class="places">
        {PLACES.map(([name, label, icon]) => (
          <li key={name}>
            <a href={linkTo(name)} aria-current={name === place ? "page" : undefined}>
              <Icon name={icon} size={22} />
              <span>{t(label)}</span>
            </a>
          </li>
        ))}
      </ul>
      <div class="rail-end">
        <RailButton
          icon="language"
          label={t("switchLanguageLabel")}
          onClick={() => (language.value = language.value === "en" ? "zh" : "en")}
        />
        <RailButton
          icon="theme"
          label={t("switchTheme", { theme: t(THEME_NAMES[theme.value]) })}
          onClick={() => (theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? "system")}
        />
        <RailButton icon="keyboard" label={t("showKeys")} onClick={onShortcuts} />
        <RailButton icon="settings" label={t("openSettings")} onClick={onSettings} />
      </div>
    </nav>
  );
}

function RailButton({ icon, label, onClick }: { icon: IconName; label: string; onClick: () => void }): JSX.Element {
  return (
    <button type="button" class={`rail-button rail-${icon}`} title={label} aria-label={label} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}

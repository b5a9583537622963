/** Choose one of the finished videos. */

import type { JSX } from "preact";
import { useId } from "preact/hooks";
import { Thumbnail } from "../../parts/thumbnail.tsx";
import { finished } from "../../state/gallery.ts";
import { titleOf } from "../../state/naming.ts";

interface Props {
  label: string;
  without: string;
  value: string | null;
  onChange: (id: string) => void;
}

export function VideoPicker({ label, without, value, onChange }: Props): JSX.Element {
  const name = useId();
  return (
    <fieldset class="picker">
      <legend>{label}</legend>
      <div class="picker-grid">
        {finished.value
          .filter(({ id }) => id !== without)
          .map((video) => (
            <label key={video.id} class={video.id === value ? "chosen" : ""} title={titleOf(video)}>
              <input
                type="radio"
                name={name}
                checked={video.id === value}
                aria-label={titleOf(video)}
                onChange={() => onChange(video.id)}
              />
              <Thumbnail video={video} />
            </label>
          ))}
      </div>
    </fieldset>
  );
}

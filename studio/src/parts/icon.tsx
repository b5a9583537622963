/** Line icons, 24 by 24. */

import type { JSX } from "preact";

const PATHS = {
  library: "M4 5h7v8H4zM15 5h5v5h-5zM15 14h5v5h-5zM4 17h7v2H4z",
  timeline: "M3 8h8v8H3zM14 8h7v8h-7zM12.5 4v16",
  live: "M12 10.5a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3M7.8 16.2a6 6 0 0 1 0-8.4M16.2 7.8a6 6 0 0 1 0 8.4M5 19a10 10 0 0 1 0-14M19 5a10 10 0 0 1 0 14",
  verify: "M12 3l7.5 3v5.5c0 4.5-3 8-7.5 9.5-4.5-1.5-7.5-5-7.5-9.5V6zM8.7 12l2.3 2.3 4.3-4.5",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.8v4.4M9 14.8v4.4",
  theme: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
  language: "M4 6h10M9 4v2M12 6c-1 4-3.5 7-7.5 9M6.5 9c1.5 3 3.5 5 6 6M13 20l4-10 4 10M14.5 17h5",
  keyboard: "M3 6h18v12H3zM6.5 9.5h1M10.5 9.5h1M14.5 9.5h1M6.5 14.5h11M17.5 9.5h.5",
  plus: "M12 5v14M5 12h14",
  picture: "M4 5h16v14H4zM4 16l5-5 4.5 4.5M12.5 14.5L15.5 12l4.5 4M8.5 9.5h.01",
  options: "M4 8h10M18 8h2M4 16h2M10 16h10M16 5.8v4.4M8 13.8v4.4",
  words: "M5 6h14M5 10.5h14M5 15h9M5 19.5h5",
  up: "M12 19V5M5.5 11.5L12 5l6.5 6.5",
  close: "M6 6l12 12M18 6L6 18",
  search: "M10.5 4.5a6 6 0 1 0 0 12 6 6 0 0 0 0-12M15 15l5 5",
  play: "M7.5 5l11 7-11 7z",
  pause: "M8 5.5v13M16 5.5v13",
  back: "M14.5 5.5L8 12l6.5 6.5",
  forward: "M9.5 5.5L16 12l-6.5 6.5",
  frameBack: "M15 6l-7 6 7 6zM6 6v12",
  frameForward: "M9 6l7 6-7 6zM18 6v12",
  repeat: "M5 11V9a3 3 0 0 1 3-3h10M15.5 3.5L18 6l-2.5 2.5M19 13v2a3 3 0 0 1-3 3H6M8.5 20.5L6 18l2.5-2.5",
  fullscreen: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  download: "M12 4v11M7 10.5l5 5 5-5M5 20h14",
  trash: "M5 7h14M9.5 7V4.5h5V7M7 7l1 13h8l1-13",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  extend: "M3 7h8v10H3zM14 7h1.5M18.5 7H21v2M21 11.5v1M21 15v2h-2.5M15.5 17H14",
  loop: "M7 8.5a3.5 3.5 0 1 0 0 7c4 0 6-7 10-7a3.5 3.5 0 1 1 0 7c-4 0-6-7-10-7",
  remix:
    "M4 7h3.5c5 0 5 10 10 10H20M4 17h3.5c1.7 0 2.8-1.1 3.7-2.6M12.8 9.6C13.7 8.1 14.8 7 16.5 7H20M17.5 4.5L20 7l-2.5 2.5M17.5 14.5L20 17l-2.5 2.5",
  edit: "M14.5 5.5l4 4L8 20H4v-4zM12 8l4 4",
  fill: "M3 6v12M21 6v12M6.5 9h1.5M11.25 9h1.5M16 9h1.5M6.5 15h1.5M11.25 15h1.5M16 15h1.5",
  blend: "M9 6.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11M15 6.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11",
  dice: "M5 5h14v14H5zM9 9h.01M15 15h.01M12 12h.01M15 9h.01M9 15h.01",
  undo: "M8 5L4 9l4 4M4 9h10a5.5 5.5 0 0 1 0 11h-3",
  redo: "M16 5l4 4-4 4M20 9H10a5.5 5.5 0 0 0 0 11h3",
  upload: "M12 16V5M7 9.5l5-5 5 5M5 20h14",
  check: "M5 12.5l4.5 4.5L19 7.5",
  warning: "M12 4l9 16H3zM12 10v4.5M12 17h.01",
  unknown: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17M9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.7.300-1 .9-1 1.7M12 16.5h.01",
  cut: "M12 4v5M12 15v5M9.5 12h5",
  cursor: "M12 4v16M4 12h16",
  erase: "M8 19h12M5 14l8-9 6 5.5L11.5 19H9z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 20 }: { name: IconName; size?: number }): JSX.Element {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The sun at the horizon. */
export function Logo(): JSX.Element {
  return (
    <svg class="logo" width="28" height="28" viewBox="0 0 32 32" aria-hidden="true">
      <path d="M6.8 17.5a9.5 9.5 0 1 1 18.4 0M3 21h26M9 25.5h14" />
    </svg>
  );
}

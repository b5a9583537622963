/** What can be made from a video. */

import type { IconName } from "../../parts/icon.tsx";
import type { Text } from "../../text/en.ts";

export type Tool = "extend" | "loop" | "remix" | "edit" | "fill" | "blend";

interface Description {
  readonly name: Tool;
  readonly key: string;
  readonly text: Text;
}

export const TOOLS: readonly Description[] = [
  { name: "extend", key: "e", text: "extendText" },
  { name: "loop", key: "l", text: "loopText" },
  { name: "remix", key: "r", text: "remixText" },
  { name: "edit", key: "m", text: "editText" },
  { name: "fill", key: "f", text: "fillText" },
  { name: "blend", key: "b", text: "blendText" },
];

/** Each tool is named as its icon is. */
export const toolIcon = (tool: Tool): IconName => tool;

/** Nested values as rows of a table. */

export type Row = readonly [name: string, value: string];

export function rowsOf(value: unknown, name = ""): readonly Row[] {
  if (value === null || value === undefined || value === "") return [];
  if (Array.isArray(value)) {
    const isPlain = value.every((one) => typeof one !== "object");
    if (isPlain) return value.length === 0 ? [] : [[name, value.join(", ")]];
    return value.flatMap((one, index) => rowsOf(one, `${name} ${index + 1}`));
  }
  if (typeof value === "object") {
    return Object.entries(value).flatMap(([key, one]) => rowsOf(one, `${name} ${key.replaceAll("_", " ")}`.trim()));
  }
  return [[name, text(value)]];
}

function text(value: unknown): string {
  if (typeof value === "number" && !Number.isInteger(value)) return String(Math.round(value * 1000) / 1000);
  if (typeof value === "boolean") return value ? "✓" : "–";
  return String(value);
}

/** The file that is being verified. */

import { signal } from "@preact/signals";
import type { Credentials } from "../../api/types.ts";
import { verify } from "../../api/videos.ts";

export interface Examined {
  readonly file: File;
  /** null while the server looks at it. */
  readonly found: Credentials | Error | null;
}

export const examined = signal<Examined | null>(null);

export async function verifyFile(file: File): Promise<void> {
  const looking: Examined = { file, found: null };
  examined.value = looking;
  const found = await verify(file).catch((error: unknown) =>
    error instanceof Error ? error : new Error(String(error)),
  );
  // Another file may have been chosen meanwhile.
  if (examined.value === looking) examined.value = { file, found };
}

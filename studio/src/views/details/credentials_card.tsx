/** What a stored file says of its origin. */

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Credentials } from "../../api/types.ts";
import { credentials } from "../../api/videos.ts";
import { language } from "../../state/settings.ts";
import { Verdict } from "../verify/verdict.tsx";
import { t } from "../../text/translate.ts";

export function CredentialsCard({ id }: { id: string }): JSX.Element {
  const [found, setFound] = useState<Credentials | Error | null>(null);
  useEffect(() => {
    credentials(id).then(setFound, setFound);
  }, [id, language.value]);
  return (
    <section class="credentials" aria-label={t("credentials")} aria-busy={found === null}>
      <h3>{t("credentials")}</h3>
      {found === null && <p class="muted">{t("credentialsLoading")}</p>}
      {found instanceof Error && <p role="alert">{found.message}</p>}
      {found !== null && !(found instanceof Error) && <Verdict found={found} />}
    </section>
  );
}

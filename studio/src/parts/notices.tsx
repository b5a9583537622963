/** Messages in the corner, and what only screen readers are told. */

import type { JSX } from "preact";
import { announcement } from "../state/announcing.ts";
import { dismiss, notices, type Notice } from "../state/notices.ts";
import { t } from "../text/translate.ts";
import { Button } from "./button.tsx";
import { Icon } from "./icon.tsx";

export function Notices(): JSX.Element {
  return (
    <div class="notices">
      {notices.value.map((notice) => (
        <NoticeRow key={notice.key} notice={notice} />
      ))}
      <div class="unseen" role="status" aria-live="polite">
        {announcement.value}
      </div>
    </div>
  );
}

function NoticeRow({ notice }: { notice: Notice }): JSX.Element {
  const { key, text, isError, link } = notice;
  return (
    <div class={`notice ${isError ? "error" : ""}`} role={isError ? "alert" : "status"}>
      {isError && <Icon name="warning" size={18} />}
      <p>{text}</p>
      {link !== null && (
        <a href={link.href} onClick={() => dismiss(key)}>
          {link.label}
        </a>
      )}
      <Button icon="close" label={t("dismiss")} onClick={() => dismiss(key)} size={16} />
    </div>
  );
}

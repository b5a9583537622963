/** One request to the server: the key goes with it, and what fails says so in a sentence. */

import { apiKey, askForKey } from "../state/settings.ts";
import { t } from "../text/translate.ts";

export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string | null,
  ) {
    super(message);
  }
}

export function authorization(): Record<string, string> {
  return apiKey.value ? { authorization: `Bearer ${apiKey.value}` } : {};
}

/** The response, if the server said yes. */
export async function send(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers: { ...authorization(), ...init.headers } });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(t("errorUnreachable"), 0, "unreachable");
  }
  if (response.ok) return response;
  if (response.status === 401) askForKey.value = true;
  throw await errorOf(response);
}

export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await send(path, signal ? { signal } : {})).json() as Promise<T>;
}

/** Send values as JSON; one key makes one job however often it is sent. */
export async function sendJson<T>(
  path: string,
  body: unknown,
  { method = "POST", once = crypto.randomUUID() as string } = {},
): Promise<T> {
  const headers = { "content-type": "application/json", "idempotency-key": once };
  return (await send(path, { method, headers, body: JSON.stringify(body) })).json() as Promise<T>;
}

/** Send values, files among them, as a form. */
export async function sendForm<T>(path: string, fields: Record<string, string | Blob>): Promise<T> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  const headers = { "idempotency-key": crypto.randomUUID() };
  return (await send(path, { method: "POST", headers, body: form })).json() as Promise<T>;
}

async function errorOf(response: Response): Promise<ApiError> {
  try {
    const { error } = (await response.json()) as { error: { message: string; code: string | null } };
    return new ApiError(sentence(error.message), response.status, error.code);
  } catch {
    return new ApiError(t("errorStatus", { status: response.status }), response.status, null);
  }
}

/** Messages of the server begin in lower case; on the page they stand alone. */
export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

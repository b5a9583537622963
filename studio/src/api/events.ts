/** Server-sent events over fetch, because an EventSource cannot send a key. */

export interface ServerEvent {
  readonly type: string;
  readonly data: string;
  readonly id: string | null;
}

/** Text in any pieces → the events that are complete. */
export class EventParser {
  #rest = "";
  #type = "";
  #data: string[] = [];
  #id: string | null = null;

  push(text: string): ServerEvent[] {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    return lines.flatMap((line) => this.#line(line));
  }

  #line(line: string): ServerEvent[] {
    if (line === "") return this.#finish();
    const [, field = "", value = ""] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
    if (field === "event") this.#type = value;
    if (field === "data") this.#data.push(value);
    if (field === "id") this.#id = value;
    return [];
  }

  #finish(): ServerEvent[] {
    const event = { type: this.#type || "message", data: this.#data.join("\n"), id: this.#id };
    const isEmpty = this.#data.length === 0;
    this.#type = "";
    this.#data = [];
    return isEmpty ? [] : [event];
  }
}

export interface Listener {
  /** Open the stream; a Last-Event-ID is handed in where there is one. */
  open(lastId: string | null, signal: AbortSignal): Promise<Response>;
  opened(): Promise<void>;
  event(event: ServerEvent): void;
  lost(): void;
}

const FIRST_WAIT = 500;
const LONGEST_WAIT = 8000;

/** Follow a stream until `signal` says stop, opening it again whenever it breaks. */
export async function follow(listener: Listener, signal: AbortSignal): Promise<void> {
  let lastId: string | null = null;
  let wait = FIRST_WAIT;
  while (!signal.aborted) {
    try {
      const response = await listener.open(lastId, signal);
      await listener.opened();
      wait = FIRST_WAIT;
      for await (const event of eventsOf(response)) {
        lastId = event.id ?? lastId;
        listener.event(event);
      }
    } catch {
      // Said by `lost`; the reason makes no difference to what is done.
    }
    if (signal.aborted) return;
    listener.lost();
    await pause(wait, signal);
    wait = Math.min(2 * wait, LONGEST_WAIT);
  }
}

async function* eventsOf(response: Response): AsyncGenerator<ServerEvent> {
  if (response.body === null) return;
  const parser = new EventParser();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    yield* parser.push(piece.value);
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}

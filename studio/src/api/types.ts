/** What the server sends; docs/serve.md describes it. */

export type Status = "queued" | "in_progress" | "completed" | "failed";

export type Kind =
  "generation" | "remix" | "edit" | "extension" | "storyboard" | "loop" | "fill" | "blend" | "upload" | "live";

export interface Video {
  readonly id: string;
  readonly model: string;
  readonly status: Status;
  readonly progress: number;
  readonly created_at: number;
  readonly prompt: string | null;
  readonly size: string;
  readonly seconds: string;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly kind: Kind;
  readonly title: string | null;
  readonly parents: readonly string[];
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly num_frames: number;
  readonly seed: number | null;
  readonly native_size: string | null;
  readonly stage: string | null;
  readonly queue_position: number | null;
  readonly frames_done: number;
  readonly has_latents: boolean;
}

export interface Page {
  readonly data: readonly Video[];
  readonly last_id: string | null;
  readonly has_more: boolean;
}

/** Words of one kind; some servers list them by language. */
export type Knows = Readonly<Record<string, unknown>>;

export interface Model {
  readonly id: string;
  readonly sizes?: readonly string[];
  readonly default_size?: string;
  readonly max_seconds?: number;
  readonly fps?: number;
  readonly knows?: Knows;
}

export interface Credentials {
  readonly verdict: string;
  readonly sentence: string;
  readonly manifest: Readonly<Record<string, unknown>> | null;
  readonly watermark: Readonly<Record<string, unknown>> | null;
}

export interface LiveSession {
  readonly id: string;
  readonly fps: number;
  readonly width: number;
  readonly height: number;
}

export type Transition = "continue" | "cut" | "dissolve";

export interface SceneRequest {
  readonly start: number;
  readonly seconds: number;
  readonly prompt?: string;
  readonly video?: { readonly id: string };
  /** Seconds that are left out at the beginning of the video. */
  readonly offset?: number;
  readonly transition?: Transition;
}

export interface StoryboardRequest {
  readonly size: string;
  readonly fps: number;
  readonly seed: number;
  readonly scenes: readonly SceneRequest[];
}

export const isRunning = (video: Video): boolean => video.status === "queued" || video.status === "in_progress";

/** A picture is a video of one frame. */
export const isPicture = (video: Video): boolean => video.num_frames <= 1;

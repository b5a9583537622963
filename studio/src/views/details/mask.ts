/** Which part of a video may change: painted on a canvas as large as the video. */

import { signal } from "@preact/signals";

export interface Point {
  readonly x: number;
  readonly y: number;
}

export class Mask {
  readonly canvas: HTMLCanvasElement;
  readonly brush;
  readonly erases = signal(false);
  readonly isEmpty = signal(true);
  readonly #context: CanvasRenderingContext2D;

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.canvas = document.createElement("canvas");
    this.canvas.width = width;
    this.canvas.height = height;
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    if (context === null) throw new Error("this browser has no canvas");
    this.#context = context;
    this.brush = signal(Math.max(4, Math.round(Math.min(width, height) / 5)));
  }

  /** Draw, or erase, from one point to another. */
  stroke(from: Point, to: Point): void {
    const context = this.#context;
    context.globalCompositeOperation = this.erases.value ? "destination-out" : "source-over";
    context.strokeStyle = "white";
    context.lineCap = "round";
    context.lineWidth = this.brush.value;
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x + 0.01, to.y); // a line of no length is not drawn
    context.stroke();
    this.#look();
  }

  clear(): void {
    this.#context.clearRect(0, 0, this.width, this.height);
    this.#look();
  }

  all(): void {
    this.#context.globalCompositeOperation = "source-over";
    this.#context.fillStyle = "white";
    this.#context.fillRect(0, 0, this.width, this.height);
    this.#look();
  }

  /** The mask as a PNG: white may change, black stays. */
  async png(): Promise<Blob> {
    const flat = new OffscreenCanvas(this.width, this.height);
    const context = flat.getContext("2d");
    if (context === null) throw new Error("this browser has no canvas");
    context.fillRect(0, 0, this.width, this.height);
    context.drawImage(this.canvas, 0, 0);
    return flat.convertToBlob({ type: "image/png" });
  }

  #look(): void {
    const { data } = this.#context.getImageData(0, 0, this.width, this.height);
    this.isEmpty.value = !data.some((value, index) => index % 4 === 3 && value > 127);
  }
}

/** Pictures in the size that is asked for: a first frame has to match it. */

import { t } from "../text/translate.ts";

/** The middle of a picture that has the shape of `size`, in that size. */
export async function fitted(file: Blob, size: string): Promise<Blob> {
  const [width = 1, height = 1] = size.split("x").map(Number);
  const picture = await createImageBitmap(file).catch(() => {
    throw new Error(t("errorPicture"));
  });
  const scale = Math.max(width / picture.width, height / picture.height);
  const [wide, high] = [width / scale, height / scale];
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (context === null) throw new Error(t("errorPicture"));
  context.imageSmoothingQuality = "high";
  const [left, top] = [(picture.width - wide) / 2, (picture.height - high) / 2];
  context.drawImage(picture, left, top, wide, high, 0, 0, width, height);
  return new File([await canvas.convertToBlob({ type: "image/png" })], "first.png", { type: "image/png" });
}

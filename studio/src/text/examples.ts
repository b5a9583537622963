/** Prompts to begin with, in words that the embedded model knows. */

import type { Language } from "../state/settings.ts";

export const EXAMPLES: Record<Language, readonly string[]> = {
  en: [
    "a red rubber ball falls and bounces next to a blue metal cube",
    "a large green metal ring rolls in from the left",
    "a small yellow cone spins on a wooden floor",
    "two balls collide on a checkerboard floor",
    "a purple cylinder slides in from the right, the camera orbits to the left",
    "a cyan ball hits an orange cone, the camera moves in",
  ],
  zh: [
    "一个红色的橡胶球落下并弹起，旁边是一个蓝色的金属立方体",
    "一个绿色的大金属圆环从左边滚进来",
    "一个黄色的小圆锥在木地板上旋转",
    "两个小球相撞",
    "一个紫色的圆柱从右边滑进来，镜头向左环绕",
    "一个青色的球撞上一个橙色的圆锥",
  ],
};

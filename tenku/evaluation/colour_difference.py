"""How different two colours look: CIEDE2000, from sRGB by way of CIE L*a*b* under D65."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tenku.evaluation.parsing import Floats

# IEC 61966-2-1: linear sRGB → XYZ, and the white that it gives.
_TO_XYZ: Final = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], np.float64
)
_WHITE: Final = _TO_XYZ.sum(1)
_KNEE: Final = 6 / 29
_FAR: Final = 25.0**7


def lab_of(pixels: npt.NDArray[Any]) -> Floats:
    """L*a*b* (… 3) of sRGB pixels (… 3), 0 to 255, which need not be whole numbers."""
    values = np.asarray(pixels, np.float64) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _TO_XYZ.T / _WHITE
    x, y, z = np.moveaxis(np.where(xyz > _KNEE**3, np.cbrt(xyz), xyz / (3 * _KNEE**2) + 4 / 29), -1, 0)
    lab: Floats = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)
    return lab


def delta_e_2000(first: Floats, second: Floats) -> Floats:
    """CIEDE2000 (…) of colours in L*a*b* (… 3): about 1 can just be seen.

    Sharma, Wu and Dalal, Color Research and Application 30 (2005); the equations are numbered as there.
    """
    (l1, a1, b1), (l2, a2, b2) = (np.moveaxis(np.asarray(lab, np.float64), -1, 0) for lab in (first, second))
    stretch = 1.5 - 0.5 * _near_grey((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2)  # (4), and 1 + G of (5)
    a1, a2 = stretch * a1, stretch * a2
    chroma1, chroma2 = np.hypot(a1, b1), np.hypot(a2, b2)  # (6)
    hue1, hue2 = (np.rad2deg(np.arctan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))  # (7)
    coloured = chroma1 * chroma2 > 0
    turn = np.where(coloured, (hue2 - hue1 + 180) % 360 - 180, 0.0)  # (10)
    turn = np.where(coloured & (hue2 - hue1 == 180), 180.0, turn)
    lightness = l2 - l1
    chroma = chroma2 - chroma1
    hue = 2 * np.sqrt(chroma1 * chroma2) * np.sin(np.deg2rad(turn / 2))  # (11)

    mean_l, mean_c = (l1 + l2) / 2, (chroma1 + chroma2) / 2
    total = hue1 + hue2
    around = np.where(np.abs(hue1 - hue2) <= 180, total, np.where(total < 360, total + 360, total - 360))
    mean_h = np.where(coloured, around / 2, total)  # (14)
    weight = (  # (15)
        1
        - 0.17 * _cos(mean_h - 30)
        + 0.24 * _cos(2 * mean_h)
        + 0.32 * _cos(3 * mean_h + 6)
        - 0.20 * _cos(4 * mean_h - 63)
    )
    off_grey = (mean_l - 50) ** 2
    lightness = lightness / (1 + 0.015 * off_grey / np.sqrt(20 + off_grey))  # (18)
    chroma = chroma / (1 + 0.045 * mean_c)  # (19)
    hue = hue / (1 + 0.015 * mean_c * weight)  # (20)
    blue = 60 * np.exp(-(((mean_h - 275) / 25) ** 2))  # 2 Δθ of (16), in degrees
    rotation = -2 * _near_grey(mean_c) * np.sin(np.deg2rad(blue))  # (17), (21)
    difference: Floats = np.sqrt(
        np.maximum(lightness**2 + chroma**2 + hue**2 + rotation * chroma * hue, 0)  # (22)
    )
    return difference


def _near_grey(chroma: Floats) -> Floats:
    """0 for greys, 1 for strong colours."""
    power = chroma**7
    share: Floats = np.sqrt(power / (power + _FAR))
    return share


def _cos(degrees: Floats) -> Floats:
    cosine: Floats = np.cos(np.deg2rad(degrees))
    return cosine

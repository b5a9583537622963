"""Published figures to read ours beside, with their sources; none of them was measured by us."""

from dataclasses import dataclass
from typing import Final

from tenku.evaluation.report import Unit


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """A figure of a paper: whose, what, on which data."""

    model: str
    measure: str
    value: float
    unit: Unit = ""
    data: str
    source: str


# Plausibility preference error: how often a model's own denoising loss prefers the invalid twin.
LIKEPHYS: Final = tuple(
    Published(
        model=model,
        measure="preference error",
        value=value,
        unit="share",
        data="12 scenarios of LikePhys",
        source=source,
    )
    for model, value, source in (
        ("HunyuanVideo", 0.436, "LikePhys, ICLR 2026"),
        ("Wan2.1-14B", 0.438, "LikePhys, ICLR 2026"),
        ("LTX-Video", 0.447, "LikePhys, ICLR 2026, through a third party's notes"),
    )
)
# Reconstruction by video autoencoders. Simulated clips are no natural ones: not comparable, only beside.
AUTOENCODERS: Final = tuple(
    Published(model=model, measure="PSNR", value=value, unit="dB", data=data, source=source)
    for model, value, data, source in (
        ("WF-VAE-L, 4×8×8, 16 channels", 35.87, "Panda-70M", "arXiv 2411.17459"),
        ("CogVideoX, 4×8×8, 16 channels", 35.79, "Panda-70M", "arXiv 2411.17459"),
        ("HunyuanVideo, 4×8×8, 16 channels", 30.24, "Open-Sora 2.0's clips", "arXiv 2503.09642"),
    )
)

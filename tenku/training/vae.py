"""The stage that trains the video autoencoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tenku.data.clips import Bucket, made_chunks, read_chunk
from tenku.media import Video, contact_sheet, write_picture
from tenku.training.device import half_precision
from tenku.training.trainer import StepLoss, is_matrix
from tenku.vae import VideoAutoencoder, from_pixels, to_pixels


@dataclass(frozen=True, kw_only=True, slots=True)
class VaeTaskConfig:
    """Batches and loss weights of the autoencoder's training.

    `crop` is pixels a side, a multiple of 8; `latent_noise` is the most that latents are shaken by, so that
    the decoder bears with a denoiser's small errors.
    """

    batch_size: int = 6
    crop: int = 64
    num_frames: int = 17
    whole_picture_every: int = 4
    gradient_weight: float = 0.5
    temporal_weight: float = 0.25
    squared_weight: float = 2.0
    latent_noise: float = 0.05


class ClipFrames:
    """Random frames of the chunks of some buckets that exist when it is made."""

    def __init__(self, directory: Path, buckets: Sequence[Bucket]) -> None:
        self.videos = [
            read_chunk(directory, bucket, index).frames
            for bucket in buckets
            for index in made_chunks(directory, bucket)
        ]
        if not self.videos:
            raise ValueError(f"there are no clips in {directory}: simulate them first")

    def draw(self, batch: int, num_frames: int, crop: int | None, generator: torch.Generator) -> Tensor:
        """Runs of frames (b 3 t h w) in [−1, 1] from random times and places; `crop` None: whole pictures."""

        def below(limit: int) -> int:
            return int(torch.randint(limit, (), generator=generator))

        runs = []
        size: tuple[int, ...] | None = None
        for _ in range(batch):
            video = self.videos[below(len(self.videos))]
            if size is not None and crop is None and video.shape[2:4] != size:
                video = next(other for other in self.videos if other.shape[2:4] == size)
            size = video.shape[2:4]
            start = below(video.shape[1] - num_frames + 1)
            y, x = (0, 0) if crop is None else (8 * below((side - crop) // 8 + 1) for side in size)
            height, width = size if crop is None else (crop, crop)
            clip = video[below(len(video))]
            runs.append(clip[start : start + num_frames, y : y + height, x : x + width])
        frames = np.stack(runs)  # b t h w 3
        return from_pixels(frames[:, :, :, ::-1] if below(2) else frames)


class VaeTask:
    """Reconstruct crops of clips: absolute and squared error, and that of differences in space and time."""

    name = "vae"

    def __init__(
        self, module: VideoAutoencoder, clips: ClipFrames, held_out: Tensor, config: VaeTaskConfig
    ) -> None:
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.module = module
        self.clips, self.held_out, self.config = clips, held_out, config
        for name, parameter in module.named_parameters():  # the latents stay what they are
            parameter.requires_grad_(not name.startswith(("linear_encode", "encoder")))

    def loss(self, step: int, generator: torch.Generator) -> StepLoss:
        """Mixed loss of a batch of crops, or of fewer whole pictures every few steps."""
        config = self.config
        whole = step % config.whole_picture_every == 0
        batch = max(1, config.batch_size // 4) if whole else config.batch_size
        video = self.clips.draw(batch, config.num_frames, None if whole else config.crop, generator)
        with half_precision():
            latents = self.module.encode_unnormalised(video)
            noise = torch.randn(latents.shape, generator=generator)
            amount = config.latent_noise * torch.rand((batch, 1, 1, 1, 1), generator=generator)
            decoded = self.module.decode_unnormalised(latents + amount * noise)
        decoded = decoded.float()[:, :, self.module.config.temporal_compression - 1 :]
        error = decoded - video
        height, width, time = (error.diff(dim=axis).abs().mean() for axis in (3, 4, 2))
        squared = error.square().mean()
        loss = (
            error.abs().mean()
            + config.squared_weight * squared
            + config.gradient_weight * (height + width)
            + config.temporal_weight * time
        )
        return StepLoss(loss, batch, 0.0, {"psnr": psnr(squared)})

    def uses_muon(self, name: str, parameter: nn.Parameter) -> bool:
        """Convolutions inside; the linear path and the layers that start at zero go to AdamW."""
        return is_matrix(name, parameter, ("linear", "frame_out"))

    def evaluate(self) -> dict[str, float]:
        """PSNR of held-out clips."""
        return {"psnr_held_out": float(np.mean([psnr_of(self.module, clip) for clip in self.held_out]))}

    def save_samples(self, path: Path) -> None:
        """True frames above decoded ones."""
        clips = self.held_out[:4]
        decoded = reconstruct(self.module, clips)
        rows = [video for pair in zip(clips, decoded, strict=True) for video in pair]
        write_picture(path, contact_sheet([Video(frames=to_pixels(video), fps=16) for video in rows]))


@torch.no_grad()
def reconstruct(vae: VideoAutoencoder, video: Tensor) -> Tensor:
    """Encode and decode clips (b 3 t h w) in bfloat16, as in training."""
    with half_precision():
        latents = vae.encode(video)
        return vae.decode(latents.float()).float()


def psnr(squared_error: Tensor) -> float:
    """Peak signal-to-noise ratio, in dB, of a mean squared error of values in [−1, 1]."""
    return float(10 * torch.log10(4 / squared_error.detach().clamp_min(1e-12)))


def psnr_of(vae: VideoAutoencoder, clip: Tensor) -> float:
    """PSNR of one clip (3 t h w) against its round trip."""
    return psnr((reconstruct(vae, clip[None]) - clip).square().mean())

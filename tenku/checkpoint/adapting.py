"""Weights that know less of a timeline than ours: one noise level a clip, or what is known in channels of its
own."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tenku.denoiser import Denoiser, DenoiserConfig, Draft, NoiseExperts, ReadByExperts, ReadText
from tenku.timeline import Timeline
from tenku.vae import Autoencoder

# Of what is added to known latents: the same at every level, so that they do not flicker, and not that of a
# video that anybody asks for, whose noise they may have in them.
_NOISE_SEED = 2_718_281_828


class OneLevel(nn.Module):
    """A denoiser of weights that know one noise level a clip, called with a level for each position.

    Positions that are less noisy than the noisiest are brought to its level with noise that never changes, as
    in RePaint (Lugmayr et al., arXiv 2201.09865); the velocity there is that which leads to the same clean
    latents.
    """

    def __init__(self, denoiser: Denoiser | NoiseExperts) -> None:
        super().__init__()
        self.denoiser = denoiser

    @property
    def config(self) -> DenoiserConfig:
        """That of the weights."""
        return self.denoiser.config

    def read(
        self, text: Tensor, mask: Tensor | None = None, picture: Tensor | None = None
    ) -> ReadText | ReadByExperts:
        """As the denoiser does."""
        return self.denoiser.read(text, mask, picture)

    def prepare(self, tracks: Tensor, height: int, width: int) -> Tensor | Draft:
        """As the denoiser does."""
        return self.denoiser.prepare(tracks, height, width)

    def forward(
        self,
        noisy_latents: Tensor,
        sigma: Tensor,
        text: Tensor | ReadText | ReadByExperts,
        text_mask: Tensor | None = None,
        tracks: Tensor | Draft | None = None,
        conditions: Tensor | None = None,
    ) -> Tensor:
        """Velocity (b c t h w), with the arguments of the denoiser."""
        highest = sigma.max()
        if bool((sigma == highest).all()):
            velocity: Tensor = self.denoiser(
                noisy_latents, sigma.flatten()[:1], text, text_mask, tracks, conditions
            )
            return velocity
        own = sigma.reshape(*sigma.shape, *[1] * (4 - sigma.ndim))[:, None]  # b 1 t h w
        kept = (1 - highest) / (1 - own).clamp_min(1e-6)
        added = (highest**2 - (kept * own) ** 2).clamp_min(0).sqrt()
        waiting = own < highest
        brought = torch.where(
            waiting, kept * noisy_latents + added * _steady_noise(noisy_latents), noisy_latents
        )
        velocity = self.denoiser(brought, highest[None], text, text_mask, tracks, conditions)
        clean = brought - highest * velocity
        return torch.where(waiting, (noisy_latents - clean) / own.clamp_min(1e-6), velocity) * (own > 0)


def _steady_noise(like: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(_NOISE_SEED)
    return torch.randn(like.shape[1:], generator=generator).to(like).expand_as(like)


@torch.no_grad()
def known_in_channels(canvas: Timeline, vae: Autoencoder, num_channels: int) -> Tensor:
    """What weights of image → video see beside the noisy latents (1 m+c t h w): where frames are known, m
    channels of 1 for each frame of a latent one, and the latents of a video that is grey where none are.

    Pictures are told as they are, each as one frame. Where there are none, latents of known frames come as
    they are; those after them are encoded: a causal autoencoder still sees what was before.
    """
    if canvas.pictures:
        return _pictures_in_channels(canvas, vae, num_channels)
    latents, config = canvas.latents, vae.config
    known = (canvas.noise_floor == 0).expand(-1, -1, *latents.shape[3:])[:, None]  # b 1 t h w
    masks = known.expand(-1, num_channels - latents.shape[1], -1, -1, -1).float()
    whole = known.flatten(3).all(-1)[0, 0]  # t: frames that are known all over
    frames = torch.cat([whole[:1], whole[1:].repeat_interleave(config.temporal_compression)])
    if bool(frames.any()):
        video = torch.where(frames[:, None, None], vae.decode(latents), 0.0)
    else:
        sides = (side * config.spatial_compression for side in latents.shape[3:])
        video = latents.new_zeros(1, 3, len(frames), *sides)
    return torch.cat([masks, torch.where(known, latents, vae.encode(video))], 1)


def _pictures_in_channels(canvas: Timeline, vae: Autoencoder, num_channels: int) -> Tensor:
    """The same where pixels are known, and nothing else is."""
    b, c, t, h, w = canvas.latents.shape
    group = vae.config.temporal_compression
    video, known = _shown_in_grey(canvas, vae)
    # The first latent frame stands for one frame, which fills its group.
    known = torch.cat([known[:1].expand(group - 1), known])
    masks = known.view(t, group).T[None, :, :, None, None].expand(b, -1, -1, h, w)
    assert masks.shape[1] == num_channels - c
    return torch.cat([masks, vae.encode(video)], 1)


@torch.no_grad()
def known_as_control(canvas: Timeline, vae: Autoencoder) -> Tensor:
    """What VACE is shown (1 2c+s² t h w): latents of a video that is grey where nothing is known, latents of
    drawings for the rest, of which there are none, and masks of the s² pixels that are to be made.

    Pictures are told as they are, each as one frame; other known frames as their latents decode.
    """
    latents, config = canvas.latents, vae.config
    b, _, t, h, w = latents.shape
    group, side = config.temporal_compression, config.spatial_compression
    if canvas.pictures:
        video, known = _shown_in_grey(canvas, vae)
        free = (1 - known)[:, None, None].expand(b, 1, -1, h, w)
    else:
        known = (canvas.noise_floor == 0).expand(-1, -1, h, w)
        each = torch.cat([known[:, :1], known[:, 1:].repeat_interleave(group, 1)], 1)
        free = 1 - each[:, None].float()
        pixels = each[:, None].repeat_interleave(side, 3).repeat_interleave(side, 4)
        video = vae.decode(latents) * pixels if bool(each.any()) else pixels.float().expand(-1, 3, -1, -1, -1)
    masks = functional.interpolate(free, size=(t, h, w), mode="nearest-exact").expand(-1, side**2, -1, -1, -1)
    return torch.cat([vae.encode(video), vae.encode(torch.zeros_like(video)), masks], 1)


def _shown_in_grey(canvas: Timeline, vae: Autoencoder) -> tuple[Tensor, Tensor]:
    """A video (b 3 f h w) that is grey but for the pictures of a canvas, and in which frames (f) they are: 1
    where there is one, 0 elsewhere."""
    latents, config = canvas.latents, vae.config
    b, _, t, h, w = latents.shape
    num_frames, side = config.num_frames(t), config.spatial_compression
    video = latents.new_zeros(b, 3, num_frames, h * side, w * side)
    known = latents.new_zeros(num_frames)
    for number, picture in canvas.pictures:
        video[:, :, number], known[number] = picture, 1
    return video, known


def shown_to(canvas: Timeline, vae: Autoencoder, number: int) -> list[Tensor]:
    """So many pictures (3 h w) as a picture encoder is shown of what is known: the first and perhaps the last
    frame; fewer if fewer are known."""
    if canvas.pictures:
        return [picture for _, picture in canvas.pictures][:number]
    known = (canvas.noise_floor == 0).flatten(2).all(-1)[0]
    if not bool(known[0]):
        return []
    found = [vae.decode(canvas.latents[:, :, :1])[0, :, 0]]
    if number > 1 and bool(known[-1]) and len(known) > 1:
        found.append(vae.decode(canvas.latents[:, :, -2:])[0, :, -1])
    return found

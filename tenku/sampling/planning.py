"""Planning: tracks are sampled like anything else, as the picture that they are to a planner."""

from torch import Tensor, nn

from tenku.denoiser import TrackConfig
from tenku.sampling.solvers import multistep, shifted_sigmas
from tenku.text import TextConditioning
from tenku.timeline import Tracks, text_to_video
from tenku.timeline.tracks import tracks_of_plan


def sample_tracks(
    planner: nn.Module, registers: TextConditioning, config: TrackConfig, noise: Tensor, num_steps: int
) -> Tracks:
    """Tracks of texts, of which a planner is told the registers, from noise (b c t o 1)."""
    b, c, t, o, w = noise.shape
    plan = multistep(
        lambda noisy, level: planner(noisy, level, registers.tokens, registers.mask),
        text_to_video("", (b, c, t, o, w)),
        noise,
        shifted_sigmas(num_steps, 1.0),
    )
    return tracks_of_plan(plan, config)

"""Planning: tracks are sampled like anything else, as the picture that they are to a planner."""

from torch import Tensor, nn

from tenku.denoiser import TrackConfig
from tenku.sampling.guidance import Guidance, guided_velocity
from tenku.sampling.solvers import multistep, shifted_sigmas
from tenku.text import TextConditioning
from tenku.timeline import Tracks, text_to_video
from tenku.timeline.tracks import tracks_of_plan


def sample_tracks(
    planner: nn.Module,
    positive: TextConditioning,
    negative: TextConditioning,
    config: TrackConfig,
    noise: Tensor,
    num_steps: int,
    guidance_scale: float,
) -> Tracks:
    """Tracks of texts, led away from the negative ones, from noise (b c t o 1).

    Of texts the planner is told what it was trained on: the encoder's registers. What is left of the noise in
    poses is smoothed away.
    """
    b, c, t, o, w = noise.shape
    guidance = Guidance(scale=guidance_scale, interval=(0.0, 1.0))
    plan = multistep(
        lambda noisy, level: guided_velocity(planner, noisy, level, positive, negative, guidance),
        text_to_video("", (b, c, t, o, w)),
        noise,
        shifted_sigmas(num_steps, 1.0),
    )
    return tracks_of_plan(plan, config).smoothed()

import pytest
import torch

from tenku.timeline import PromptSpan, Timeline, text_to_video

LATENTS = torch.randn(1, 2, 3, 4, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("floor", "spans", "sentence"),
    [
        (torch.ones(1, 3, 4, 4), (), r"must have shape \(1, 3, 4, 5\) or \(1, 3, 1, 1\), not \(1, 3, 4, 4\)"),
        (torch.full((1, 3, 4, 5), 1.1), (), "between 0 .keep. and 1 .generate."),
        (torch.full((1, 3, 4, 5), -0.1), (), "between 0 .keep. and 1 .generate."),
        (torch.full((1, 3, 4, 5), torch.nan), (), "between 0 .keep. and 1 .generate."),
        (torch.ones(1, 3, 4, 5), (PromptSpan("a", 0, 4),), "prompt span 0–4 does not lie on a timeline of 3"),
        (torch.ones(1, 3, 4, 5), (PromptSpan("a", 2, 2),), "prompt span 2–2"),
        (torch.ones(1, 3, 4, 5), (PromptSpan("a", -1, 2),), "prompt span -1–2"),
    ],
)
def test_what_does_not_fit_together(
    floor: torch.Tensor, spans: tuple[PromptSpan, ...], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        Timeline(LATENTS, floor, spans)


def test_a_position_stands_at_its_floor_until_the_level_is_there() -> None:
    floor = torch.tensor([0.0, 0.4, 1.0])[None, :, None, None].expand(1, 3, 4, 5)
    timeline = Timeline(LATENTS, floor, (PromptSpan("a", 0, 2), PromptSpan("b", 2, 3)))
    assert timeline.num_latent_frames == 3
    for sigma, floors in ((1.0, (0.0, 0.4, 1.0)), (0.5, (0.0, 0.4, 0.5)), (0.3, (0.0, 0.3, 0.3))):
        assert torch.allclose(timeline.level(sigma)[0, :, 0, 0], torch.tensor(floors))


def test_it_starts_as_noisy_as_its_floor() -> None:
    floor = torch.tensor([0.0, 0.4, 1.0])[None, :, None, None].expand(1, 3, 4, 5)
    noise = torch.randn(LATENTS.shape, generator=torch.Generator().manual_seed(1))
    start = Timeline(LATENTS, floor, ()).start(noise)
    assert torch.equal(start[:, :, 0], LATENTS[:, :, 0])
    assert torch.allclose(start[:, :, 1], 0.6 * LATENTS[:, :, 1] + 0.4 * noise[:, :, 1], atol=1e-6)
    assert torch.equal(start[:, :, 2], noise[:, :, 2])


def test_text_to_video_knows_nothing_but_its_prompt() -> None:
    timeline = text_to_video("a ball", (2, 4, 9, 8, 8))
    assert torch.equal(timeline.level(0.7), torch.full((2, 9, 1, 1), 0.7))
    assert timeline.prompts == (PromptSpan("a ball", 0, 9),)
    noise = torch.randn(2, 4, 9, 8, 8)
    assert torch.equal(timeline.start(noise), noise)

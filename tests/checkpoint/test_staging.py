"""Parts of a published model that come and go: the same video as with all of it in memory."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tenku.checkpoint import OneLevel, OpenModel, Staging, load_open_model, open_on_demand
from tenku.checkpoint.memory import Machine, Placement
from tenku.denoiser import NoiseExperts
from tenku.errors import UserError
from tenku.pipeline import GenerationRequest, VideoPipeline

T2V, EXPERTS, TI2V = "wan-2.1-t2v-1.3b", "wan-2.2-t2v-a14b", "wan-2.2-ti2v-5b"
REQUEST = GenerationRequest(
    prompt="a red ball falls",
    negative_prompt="blue cube",
    num_frames=9,
    height=32,
    width=64,
    num_inference_steps=3,
    guidance_scale=4.0,
)
Published = Callable[[str], Path]


def opened(folder: Path) -> tuple[OpenModel, Staging]:
    model = open_on_demand(folder, dtype=torch.float32)
    assert model.staging is not None
    return model, model.staging


def is_here(network: nn.Module) -> bool:
    return not any(tensor.is_meta for tensor in network.state_dict().values())


@pytest.fixture(scope="module")
def expected(published_model: Published) -> Callable[[str], Tensor]:
    def latents(name: str) -> Tensor:
        return VideoPipeline(load_open_model(published_model(name)))(REQUEST).footage.latents

    return cache(latents)


@pytest.mark.parametrize("streams_blocks", [False, True])
@pytest.mark.parametrize("name", [T2V, EXPERTS, TI2V])
def test_the_same_video_wherever_the_weights_are(
    published_model: Published,
    expected: Callable[[str], Tensor],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    streams_blocks: bool,
) -> None:
    model, staging = opened(published_model(name))
    placement = Placement(streams_blocks=streams_blocks, keeps_denoiser=False, decode_chunk=1)
    plan = staging.plan(REQUEST)
    monkeypatch.setattr(Staging, "plan", lambda *_, **__: replace(plan, placement=placement))
    pipeline = VideoPipeline(model)
    for _ in range(2):
        assert torch.equal(pipeline(REQUEST).footage.latents, expected(name))
        assert staging.placement == placement
        assert not any(expert.is_here for expert in staging.experts)


def test_each_stage_finds_what_it_needs_and_nothing_else(published_model: Published) -> None:
    model, staging = opened(published_model(T2V))
    text, denoiser = staging.text.network, staging.experts[0].network
    assert is_here(model.vae)
    staging.enter("text")
    assert (staging.text.is_here, staging.experts[0].is_here) == (True, False)
    staging.enter("denoise")
    assert (is_here(text), is_here(denoiser)) == (False, True)
    staging.enter("decode")
    assert is_here(denoiser)
    staging.arrange(Placement(keeps_denoiser=False))
    staging.enter("decode")
    assert not is_here(denoiser)


def test_experts_are_there_one_at_a_time(published_model: Published) -> None:
    model, _ = opened(published_model(EXPERTS))
    assert isinstance(model.denoiser, OneLevel)
    experts = model.denoiser.denoiser
    assert isinstance(experts, NoiseExperts)
    pair, seen = (experts.high, experts.low), []
    for expert in pair:
        expert.register_forward_pre_hook(lambda *_: seen.append(tuple(is_here(each) for each in pair)))
    VideoPipeline(model)(REQUEST)
    assert set(seen) == {(True, False), (False, True)}
    assert seen == sorted(seen, reverse=True)


def test_what_is_held_stays_for_all_stages(published_model: Published) -> None:
    _, staging = opened(published_model(EXPERTS))
    staging.arrange(Placement(streams_blocks=True, keeps_denoiser=False))
    staging.hold()
    for stage in ("text", "denoise", "decode"):
        staging.enter(stage)
        assert all(is_here(expert.network) for expert in staging.experts)


def test_words_of_the_text_stay_in_their_file_and_layers_come_one_by_one(published_model: Published) -> None:
    model, staging = opened(published_model(T2V))
    whole = load_open_model(published_model(T2V))
    staging.enter("text")
    layers = staging.text.network.encoder.block
    assert not any(is_here(layer) for layer in layers)
    prompts = ["a red ball falls", "a"]
    assert torch.equal(model.text_encoder.encode(prompts).tokens, whole.text_encoder.encode(prompts).tokens)


def test_a_video_for_which_this_machine_is_too_small_is_refused_before_anything_is_read(
    published_model: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, staging = opened(published_model(T2V))
    monkeypatch.setattr(Machine, "here", classmethod(lambda cls, device="cpu": cls(free=2**20)))
    with pytest.raises(UserError, match=r"this takes .* GiB .* and there are"):
        VideoPipeline(model)(REQUEST)
    assert not staging.text.is_here
    assert not any(expert.is_here for expert in staging.experts)


def test_what_a_model_lacks_is_said_when_it_is_opened(published_model: Published, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    for part in published_model(T2V).iterdir():
        if part.name != "tokenizer":
            (folder / part.name).symlink_to(part)
    with pytest.raises(UserError, match="lacks its text encoder or its tokenizer"):
        open_on_demand(folder, dtype=torch.float32)

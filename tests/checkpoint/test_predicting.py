"""Peak memory from configurations: what is counted, what is drawn out, and what is chosen by it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from tenku.checkpoint import SamplingDefaults, load_open_model, predicting
from tenku.checkpoint.memory import GIB, Machine, MemoryPlan
from tenku.checkpoint.predicting import Networks, TextFacts, Work, denoiser_activations, plan_memory
from tenku.checkpoint.staging import find_networks
from tenku.checkpoint.wan import wan_config
from tenku.checkpoint.wan_vae import wan_2_1
from tenku.denoiser import Denoiser, DenoiserConfig
from tenku.evaluation.random_models import published
from tenku.timeline import GenerationRequest
from tenku.vae import WanAutoencoder

T2V, EXPERTS, TI2V = "wan-2.1-t2v-1.3b", "wan-2.2-t2v-a14b", "wan-2.2-ti2v-5b"
Published = Callable[[str], Path]

# Wan 2.1 1.3B, of which nothing is at hand but its shape.
LARGE = Networks(
    denoisers=(wan_config(dict(published(T2V).denoiser), "here", {}),),
    vae=wan_2_1(),
    vae_converted=False,
    text=TextFacts(hidden_size=4096, mlp_size=10240, num_heads=64, head_size=64, dtype=torch.bfloat16),
    sampling=SamplingDefaults(solver="unipc", guidance_scale=5.0, window_size=21, max_side=1_280),
)
FIVE_SECONDS = Work(num_latent_frames=21, height=60, width=104)


def planned(free: float, work: Work = FIVE_SECONDS, networks: Networks = LARGE) -> MemoryPlan:
    return plan_memory(networks, work, Machine(free=int(free)), dtype=torch.bfloat16, program=GIB // 4)


def test_a_request_is_as_much_work_as_one_window_of_it() -> None:
    sampling = LARGE.sampling
    asked = GenerationRequest(
        prompt="a red ball falls", num_frames=81, height=480, width=832, guidance_scale=None
    )
    found = Work.of(asked, sampling, LARGE.vae)
    assert found == replace(FIVE_SECONDS, num_text_tokens=6)
    longer = Work.of(replace(asked, num_frames=600, guidance_scale=1.0), sampling, LARGE.vae, encodes=True)
    assert longer == replace(found, one_window=False, guided=False, encodes=True)
    assert Work.of(replace(asked, num_frames=14), sampling, LARGE.vae).num_latent_frames == 5
    chatty = Work.of(replace(asked, negative_prompt="blurred " * 200), sampling, LARGE.vae)
    assert chatty.num_text_tokens == 402


@pytest.mark.parametrize("name", [T2V, EXPERTS, TI2V])
def test_weights_are_counted_without_being_read(published_model: Published, name: str) -> None:
    folder = published_model(name)
    networks, model = find_networks(folder), load_open_model(folder)
    assert predicting._vae_bytes(networks.vae) == {
        part: sum(4 * parameter.numel() for parameter in getattr(model.vae, part).parameters())
        for part in ("encoder", "decoder")
    }
    assert len(networks.denoisers) == (2 if name == EXPERTS else 1)
    experts = [m for m in model.denoiser.modules() if isinstance(m, Denoiser)]
    for config, expert in zip(networks.denoisers, experts, strict=True):
        sizes = predicting._denoiser_bytes(config, torch.float32)
        whole = sum(4 * parameter.numel() for parameter in expert.parameters())
        blocks = sum(4 * parameter.numel() for parameter in expert.blocks.parameters())
        assert sizes == {"whole": whole, "streamed": whole - blocks // 2}
        assert predicting._denoiser_bytes(config, torch.bfloat16)["whole"] == whole // 2
    layer = model.text_encoder.network.encoder.block[1]
    ours = networks.text.layer_bytes(torch.float32)
    assert ours == pytest.approx(sum(4 * p.numel() for p in layer.parameters()), rel=0.05)


def test_more_tokens_than_are_followed_are_drawn_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """From half as many and a quarter: what is drawn out is what would have been found."""
    config = DenoiserConfig(
        hidden_size=256,
        depth=3,
        num_heads=2,
        mlp="plain",
        bias=True,
        norm="layer",
        joint_norm=True,
        token_shift=False,
        final_table=True,
    )
    work = Work(num_latent_frames=16, height=32, width=32)  # 4,096 tokens
    whole = denoiser_activations(config, work, torch.float32)
    denoiser_activations.cache_clear()
    monkeypatch.setattr(predicting, "_TRACED_TOKENS", 2_048)
    assert denoiser_activations(config, work, torch.float32) == pytest.approx(whole, rel=0.02)
    denoiser_activations.cache_clear()


def test_what_costs_no_time_goes_first_and_then_what_does() -> None:
    """As the machine gets smaller: the denoiser comes block by block; frames are decoded one latent frame at
    a time; nothing helps."""
    plenty = planned(1000 * GIB)
    assert not plenty.placement.streams_blocks
    assert plenty.placement.decode_chunk == 4
    found = [planned(share * plenty.peak) for share in (1.1, 0.95, 0.9, 0.85, 0.03)]
    order = [(plan.placement.streams_blocks, -plan.placement.decode_chunk) for plan in found if plan.fits]
    assert order == sorted(order)
    assert order[0] == (False, -4)
    assert order[-1] == (True, -1)
    peaks = [plan.peak for plan in found]
    assert peaks == sorted(peaks, reverse=True)
    assert not found[-1].fits


def test_a_denoiser_that_is_not_needed_again_goes_where_decoding_is_the_worst() -> None:
    assert not planned(1000 * GIB).placement.keeps_denoiser
    assert planned(1000 * GIB, replace(FIVE_SECONDS, one_window=False)).placement.keeps_denoiser


def test_what_is_said_to_fit_instead_fits() -> None:
    refused = planned(3 * GIB, replace(FIVE_SECONDS, height=90, width=160))
    assert not refused.fits
    size = refused.alternative.removeprefix("--size ").removesuffix(" would fit")
    width, height = (int(side) // 8 for side in size.split("x"))
    assert height % 2 == width % 2 == 0
    assert width / height == pytest.approx(16 / 9, rel=0.1)
    smaller = planned(3 * GIB, replace(FIVE_SECONDS, height=height, width=width))
    assert smaller.fits


def test_nothing_is_promised_where_nothing_fits() -> None:
    refused = planned(0.1 * GIB)
    assert not refused.fits
    assert "smaller model" in refused.verdict


_MEASURED = """
import json, sys, torch
from tenku.checkpoint.memory import peak_bytes
from tenku.denoiser import Denoiser, DenoiserConfig

torch.set_num_threads(1)
values, grid = json.loads(sys.argv[1])
values["patch_size"] = tuple(values["patch_size"])
dtype = torch.bfloat16
with torch.inference_mode():
    torch.set_default_dtype(dtype)  # nothing in float32 that is freed again and fills the gap
    denoiser = Denoiser(DenoiserConfig(**values)).eval()
    torch.set_default_dtype(torch.float32)
    text = torch.randn(2, 64, denoiser.config.text_size)
    def run(grid):
        read = denoiser.read(text)
        return denoiser(torch.randn(2, denoiser.config.latent_channels, *grid), torch.ones(1), read)
    run((1, 4, 4))  # so that what is made once is there
    before = peak_bytes()
    run(grid)
    print(peak_bytes() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's heap is what is followed")
def test_a_process_really_grows_by_what_was_found() -> None:
    """A block of Wan 1.3B's kind, half as wide, on 4,000 tokens twice: what is predicted of its growth.

    Every large piece is asked of the kernel and given back, so that the process holds what is alive and no
    gaps: those differ from run to run, from 99 to 215 MB in all.
    """
    config = replace(
        LARGE.denoisers[0], hidden_size=768, num_heads=6, mlp_width=3_072, depth=2, text_size=256
    )
    work = Work(num_latent_frames=5, height=50, width=64)
    told = json.dumps([asdict(config), [5, 50, 64]])
    ended = subprocess.run(
        [sys.executable, "-c", _MEASURED, told],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"},
    )
    predicted = denoiser_activations(config, work, torch.bfloat16)
    assert predicted == pytest.approx(int(ended.stdout), rel=0.15)


def test_a_decoder_takes_more_of_a_larger_picture_and_nothing_of_a_longer_clip() -> None:
    with torch.device("meta"):
        assert WanAutoencoder(LARGE.vae).config == LARGE.vae
    found = [
        predicting._vae_activations(LARGE.vae, replace(FIVE_SECONDS, height=side, width=side), 4)
        for side in (32, 64)
    ]
    assert 3.5 < found[1] / found[0] < 4.5
    longer = replace(FIVE_SECONDS, num_latent_frames=1_000, height=32, width=32)
    assert predicting._vae_activations(LARGE.vae, longer, 4) == found[0]

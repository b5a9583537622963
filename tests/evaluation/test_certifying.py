"""Certificates of small likenesses of every published model, with random weights."""

import json
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tenku.errors import UserError
from tenku.evaluation.agreeing import agreement
from tenku.evaluation.certificate import Agreement, Certificate, FastPath, Stage
from tenku.evaluation.certifying import FAST_WAYS, certify, certify_random
from tenku.evaluation.peak_memory import peak_memory
from tenku.evaluation.random_models import PUBLISHED, original_facts, published, write_original_layout
from tenku.timeline import GenerationRequest

REQUEST = GenerationRequest(
    prompt="a red ball falls",
    negative_prompt="blurred",
    num_frames=5,
    height=32,
    width=64,
    num_inference_steps=10,
    guidance_scale=4.0,
    seed=1,
)
PARTS = {"VAE encode", "VAE decode", "text encoder", "UniPC", "Euler"}
Published = Callable[[str], Path]


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_model_is_the_same_in_both_engines(published_model: Published, name: str) -> None:
    request = replace(REQUEST, num_frames=9) if "flf2v" in name else REQUEST  # it has to get there
    certificate = certify(str(published_model(name)), request, "tenku certify", quick=True)
    parts = {a.part for a in certificate.agreements}
    shape = published(name)
    denoisers = {"denoiser (transformer)"} | ({"denoiser (transformer_2)"} if shape.boundary else set())
    pictured = shape.denoiser["in_channels"] > shape.denoiser["out_channels"]
    assert parts == PARTS | denoisers | {"whole loop"}
    assert certificate.holds
    assert all(0 < a.relative < 5e-6 for a in certificate.agreements if a.part != "Euler")
    assert any("go on from a picture" in note for note in certificate.notes) == pictured
    assert (certificate.fast_paths, certificate.stages, certificate.memory) == ((), (), None)


@pytest.mark.parametrize("name", ["ltx-video-2b-0.9", "ltx-video-2b-0.9.1"])
def test_ltx_video_is_the_same_in_both_engines(ltx_model: Published, name: str) -> None:
    request = replace(REQUEST, num_frames=17, height=64, width=96, fps=24.0)
    certificate = certify(str(ltx_model(name)), request, "tenku certify", quick=True)
    assert {a.part for a in certificate.agreements} == PARTS | {"denoiser (transformer)", "whole loop"}
    assert certificate.holds
    assert all(a.relative < 5e-6 for a in certificate.agreements)
    loop = next(a for a in certificate.agreements if a.part == "whole loop")
    assert "differ by at most 1 of 255" in loop.inputs


@pytest.mark.slow
def test_a_whole_certificate() -> None:
    certificate = certify_random("wan-2.1-t2v-1.3b", REQUEST, "tenku certify …", 1, small=True)
    assert certificate.holds
    paths = {path.name: path for path in certificate.fast_paths}
    shared = "tokens shared out between 2 processes"
    assert list(paths) == [*(way.name for way in FAST_WAYS), shared]
    assert paths[shared].psnr > 60  # float32 sums in another order
    half = paths["bfloat16"]
    assert 20 < half.psnr < 80
    assert half.motion == pytest.approx(1, abs=0.1)
    assert half.speedup > 0
    assert [stage.name for stage in certificate.stages] == ["load", "text", "denoise", "decode"]
    assert all(stage.ours > 0 and stage.theirs > 0 for stage in certificate.stages)
    assert certificate.memory is not None
    assert all(2**26 < most < 2**33 for most in certificate.memory)
    assert "all widths and depths are small" in certificate.notes[-1]


def test_engines_that_differ_are_not_certified() -> None:
    theirs = torch.randn(2, 100, generator=torch.Generator().manual_seed(0))
    found = agreement("denoiser", "two", [(theirs[0], theirs[0]), (theirs[1] + 0.01, theirs[1])])
    assert found.relative == pytest.approx(0.1 / float(theirs[1].norm()), rel=1e-3)
    assert found.largest == pytest.approx(0.01, rel=1e-3)
    assert not found.holds
    assert not certificate_of(found).holds
    assert "**no**" in certificate_of(found).to_markdown()


def certificate_of(*agreements: Agreement) -> Certificate:
    return Certificate(
        model="small",
        against="diffusers",
        work="5 frames",
        machine="a machine",
        command="tenku certify small",
        agreements=agreements,
        fast_paths=(
            FastPath(name="same", psnr=math.inf, motion=1.0, speedup=2.0),
            FastPath(name="gone", missing="does not run here"),
        ),
        stages=(Stage(name="text", ours=1.0, theirs=2.0), Stage(name="denoise", ours=1.0, theirs=4.0)),
        memory=(2**20, 2**21),
        notes=("A note.",),
    )


def test_a_certificate_as_a_document() -> None:
    exact = Agreement(part="VAE", inputs="1 frame", relative=2e-7, largest=1e-6, allowed=1e-5)
    told = certificate_of(exact).to_markdown().splitlines()
    for line in (
        "### small",
        "`tenku certify small`",
        "| VAE | 1 frame | 2.0e-07 | 1.0e-06 | 1e-05 | yes |",
        "| same | the same | 1.000× | 2.00× as fast |",
        "| gone | does not run here |  |  |",
        "| all | 2.00 s | 6.00 s | 3.00× |",
        "| a process of its own | 1 MiB | 2 MiB | 0.50 |",
        "- A note.",
    ):
        assert line in told


def test_a_certificate_as_json() -> None:
    exact = Agreement(part="VAE", inputs="1 frame", relative=2e-7, largest=1e-6, allowed=1e-5)
    facts = json.loads(certificate_of(exact).to_json())
    assert facts["holds"] is True
    assert facts["agreements"][0]["relative"] == 2e-7
    assert [path["psnr"] for path in facts["fast_paths"]] == [None, None]


def test_peak_memory_of_a_process_that_fails(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="tenku could not make this video in a process of its own"):
        peak_memory("tenku", tmp_path, REQUEST)


def test_without_diffusers(published_model: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = published_model("wan-2.1-t2v-1.3b")
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(
        UserError, match=r"diffusers, which is not installed; `pip install diffusers` first\."
    ):
        certify(str(folder), REQUEST, "")


def test_a_layout_that_diffusers_does_not_read(published_model: Published, tmp_path: Path) -> None:
    write_original_layout(published_model("wan-2.1-t2v-1.3b") / "transformer", tmp_path)
    with pytest.raises(UserError, match="is no Wan or LTX-Video model in diffusers' layout"):
        certify(str(tmp_path), REQUEST, "")


def test_an_unknown_shape() -> None:
    with pytest.raises(UserError, match=r"no shape is known by the name 'sora'; choose wan-2\.1-t2v-1\.3b, "):
        certify_random("sora", REQUEST, "")


def test_a_shallow_shape_says_what_it_lacks() -> None:
    shape = published("wan-2.1-t2v-1.3b").shallow(4)
    assert (shape.depth, shape.text_encoder["num_layers"]) == (4, 4)
    assert shape.left_out == ("4 of 30 blocks of the denoiser", "4 of 24 blocks of the text encoder")
    assert published("wan-2.1-t2v-1.3b").shallow(100).left_out == ()
    with pytest.raises(UserError, match="no 0 blocks"):
        shape.shallow(0)


def test_makers_call_their_models_by_other_words() -> None:
    kinds = {name: original_facts(shape.denoiser)["model_type"] for name, shape in PUBLISHED.items()}
    assert kinds == {
        "wan-2.1-t2v-1.3b": "t2v",
        "wan-2.1-t2v-14b": "t2v",
        "wan-2.1-i2v-14b": "i2v",
        "wan-2.1-flf2v-14b": "flf2v",
        "wan-2.2-t2v-a14b": "t2v",
        "wan-2.2-i2v-a14b": "i2v",
        "wan-2.1-vace-1.3b": "vace",
        "wan-2.1-vace-14b": "vace",
        "wan-2.2-ti2v-5b": "ti2v",
    }

"""Options in groups: verbs take groups, people and tests give one option after the other."""

import inspect
from typing import Annotated

import pytest
import typer

from tenku.cli.app import run
from tenku.cli.arguments import EMBEDDED
from tenku.cli.blend import blend
from tenku.cli.generate import generate
from tenku.cli.live import live
from tenku.cli.loading import load_pipeline
from tenku.cli.options import (
    USUAL_MODEL,
    USUAL_SAMPLING,
    ModelOptions,
    Quantization,
    SamplingOptions,
    Sharing,
    with_options,
)
from tenku.cli.storyboard import storyboard
from tenku.errors import UserError

SAMPLING = ["seed", "steps", "guidance_scale", "guidance_scale_2", "negative_prompt"]
MODEL = ["model", "lora", "quantize", "parallel", "shard"]
RESULT = ["keep", "unmarked", "as_json"]


def test_a_verb_is_given_its_groups_made_of_single_options() -> None:
    seen = []

    @with_options
    def verb(
        word: str,
        sampled: SamplingOptions = USUAL_SAMPLING,
        number: Annotated[int, typer.Option()] = 3,
        by: ModelOptions = USUAL_MODEL,
    ) -> None:
        """What help says."""
        seen.append((word, sampled, number, by))

    assert list(inspect.signature(verb).parameters) == ["word", *SAMPLING, "number", *MODEL]
    assert (verb.__name__, verb.__doc__) == ("verb", "What help says.")
    verb("red")
    verb("blue", steps=4, model="m", lora=["a.safetensors"], number=1)
    assert seen == [
        ("red", SamplingOptions(), 3, ModelOptions()),
        ("blue", SamplingOptions(steps=4), 1, ModelOptions(model="m", lora=["a.safetensors"])),
    ]


@pytest.mark.parametrize("verb", [generate, blend, storyboard])
def test_every_verb_that_makes_video_has_all_of_them(verb: object) -> None:
    names = list(inspect.signature(verb).parameters)  # type: ignore[arg-type]
    assert set(SAMPLING + MODEL + RESULT + ["output"]) <= set(names)
    assert len(names) == len(set(names))


def test_live_video_has_a_model() -> None:
    assert set(MODEL) <= set(inspect.signature(live).parameters)


def test_groups_speak_in_the_words_of_what_they_are_for() -> None:
    asked = SamplingOptions(seed=3, guidance_scale=4.0, guidance_scale_2=3.0)
    assert asked.sampling["guidance_scale_2"] == 3.0
    assert asked.sampling["num_inference_steps"] is None
    by = ModelOptions(quantize=Quantization.fp8, parallel=Sharing.ring)
    assert (by.quantization, by.method) == ("fp8", "ring")
    assert (USUAL_MODEL.quantization, USUAL_MODEL.method) == (None, None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (ModelOptions(quantize=Quantization.int8), "--quantize is for open weights"),
        (ModelOptions(parallel=Sharing.ring), "--parallel is for open weights"),
        (ModelOptions(model="m", shard=True), "--shard is about the processes of --parallel"),
        (ModelOptions(model="m", parallel=Sharing.ring), "torchrun --nproc-per-node 2 --no-python tenku"),
        (
            ModelOptions(model="m", parallel=Sharing.ring, shard=True, quantize=Quantization.int8),
            "cannot be shared out",
        ),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_loaded(
    monkeypatch: pytest.MonkeyPatch, options: ModelOptions, words: str
) -> None:
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(UserError, match=words):
        load_pipeline(options)


def test_a_word_that_is_none_of_a_choice_is_named() -> None:
    with pytest.raises(UserError, match="int8"):
        run(["generate", "a ball", "--model", EMBEDDED, "--quantize", "int4"])


def test_live_video_is_made_in_one_process() -> None:
    with pytest.raises(UserError, match="leave out --parallel"):
        run(["live", "a ball", "--model", "some/model", "--parallel", "ring"])

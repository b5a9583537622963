"""`--lora`: what it takes, what it refuses before anything heavy, and that it reaches the video."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tenku.cli.app import run
from tenku.cli.arguments import LoraArgument, parse_loras
from tenku.cli.options import ModelOptions, Quantization
from tenku.cli.writing import changes_of, origin_of
from tenku.errors import UserError
from tenku.media import read_video
from tenku.timeline import GenerationRequest, load_kept

MODEL = "wan-2.1-t2v-1.3b"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that commands run in, with names of LoRAs that are awkward."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.safetensors", "b:2", "high=c"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("a.safetensors", LoraArgument(Path("a.safetensors"), 1.0, None)),
        ("a.safetensors:0.8", LoraArgument(Path("a.safetensors"), 0.8, None)),
        ("high=a.safetensors", LoraArgument(Path("a.safetensors"), 1.0, "high")),
        ("low=a.safetensors:-1", LoraArgument(Path("a.safetensors"), -1.0, "low")),
        ("folder:1e-1", LoraArgument(Path("folder"), 0.1, None)),
        ("b:2", LoraArgument(Path("b:2"), 1.0, None)),
        ("b:2:3", LoraArgument(Path("b:2"), 3.0, None)),
        ("high=c", LoraArgument(Path("high=c"), 1.0, None)),
        ("low=high=c", LoraArgument(Path("high=c"), 1.0, "low")),
    ],
)
def test_an_argument_is_a_file_with_a_weight_and_an_expert(
    here: Path, given: str, meant: LoraArgument
) -> None:
    assert parse_loras([given, given], "some/model") == [meant, meant]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("nowhere.safetensors", "there is no LoRA 'nowhere.safetensors'"),
        ("nowhere.safetensors:0.5", "there is no LoRA 'nowhere.safetensors'"),
        ("middle=a.safetensors", "there is no LoRA 'middle=a.safetensors'"),
        ("a.safetensors:", "has no number behind its colon"),
        ("a.safetensors:much", "has no number behind its colon"),
        ("", "there is no LoRA ''"),
    ],
)
def test_what_is_none_is_refused(here: Path, given: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        parse_loras([given], "some/model")


def test_what_was_done_to_a_model_is_told_by_names_alone(here: Path) -> None:
    (here / "deep").mkdir()
    (here / "deep" / "fast.safetensors").touch()
    by = ModelOptions(model="some/model", lora=["low=deep/fast.safetensors:0.8"], quantize=Quantization.int8)
    changes = ("LoRA fast.safetensors, weight 0.8, low noise", "weights in int8")
    assert changes_of(by) == changes
    origin = origin_of(by, GenerationRequest(prompt="a ball"))
    stated = origin.manifest("ball.mp4", "video/mp4")["assertions"]
    assert any(each["data"].get("model_changes") == list(changes) for each in stated)
    unchanged = origin_of(ModelOptions(model="some/model"), GenerationRequest(prompt="a ball"))
    assert "model_changes" not in str(unchanged.manifest("ball.mp4", "video/mp4"))


def test_the_embedded_model_takes_none(here: Path) -> None:
    with pytest.raises(UserError, match="which the embedded model is not"):
        run(["generate", "a ball", "-o", "out.mp4", "--lora", "a.safetensors"])
    assert not (here / "out.mp4").exists()


@pytest.mark.slow
def test_it_changes_the_video(
    here: Path, published_model: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(published_model(MODEL))
    tensors = {
        "lora_unet_blocks_0_ffn_2.lora_up.weight": torch.full((48, 1), 3.0),
        "lora_unet_blocks_0_ffn_2.lora_down.weight": torch.full((1, 96), 1.0),
        "lora_unet_blocks_0_ffn_2.alpha": torch.tensor(1.0),
    }
    save_file(tensors, here / "style.safetensors")
    command = ["generate", "a ball", "--size", "64x32", "--seconds", "0.3", "--steps", "2", "--json"]
    command += ["--model", model, "--unmarked"]
    found = []
    for name, more in (("plain", []), ("none", ["style.safetensors:0"]), ("all", ["style.safetensors"])):
        run([*command, "-o", f"{name}.mp4", *(f"--lora={each}" for each in more)])
        assert json.loads(capsys.readouterr().out)["path"] == f"{name}.mp4"
        found.append(read_video(here / f"{name}.mp4").frames.astype(int))
    plain, none, all_of_it = found
    assert (plain == none).all()
    assert abs(plain - all_of_it).mean() > 1

    run([*command, "-o", "kept.mp4", "--keep", "kept.tenku"])
    longer = ["extend", "kept.tenku", "--after", "0.25", "--steps", "2", "--unmarked", "--model", model]
    run([*longer, "-o", "longer.mp4", "--lora", "style.safetensors:0.5", "--keep", "longer.tenku"])
    assert read_video(here / "longer.mp4").num_frames > len(plain)
    assert load_kept("kept.tenku").model_changes == ()
    assert load_kept("longer.tenku").model_changes == ("LoRA style.safetensors, weight 0.5",)

    with pytest.raises(UserError, match="choose between -10 and 10"):
        run([*command, "-o", "out.mp4", "--lora", "style.safetensors:1e9"])
    with pytest.raises(UserError, match="this model has no experts"):
        run([*command, "-o", "out.mp4", "--lora", "low=style.safetensors"])
    assert not (here / "out.mp4").exists()

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save

from tenku.checkpoint import Model
from tenku.denoiser import TrackConfig
from tenku.errors import UserError
from tenku.pipeline import VideoPipeline
from tenku.timeline import Footage, GenerationRequest, Kept, PromptSpan, kept, load_kept, save_kept
from tenku.timeline.kept import fingerprint
from tenku.vae import VideoAutoencoder

CONFIG = TrackConfig(look_sizes=(3, 2), frames_per_latent=4, max_objects=2)
REQUEST = GenerationRequest(
    prompt="红球 \"falls\"\n🔴", negative_prompt="a cube", num_frames=9, height=32, width=48, fps=23.976,
    num_inference_steps=3, guidance_scale=0.1, seed=2**63 - 1,
)  # fmt: skip


def some(**changed: object) -> Kept:
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 4, 3, 4, 6, generator=generator)
    latents.view(-1)[:4] = torch.tensor([torch.inf, -0.0, 1e-42, torch.finfo().max])
    tracks = torch.randn(1, CONFIG.channels, 3, 3, generator=generator)
    prompts = (PromptSpan("红球", 0, 1), PromptSpan("a ball", 1, 3))
    footage = Footage(latents, tracks, prompts, 23.976, (1, 2), 4, 8, CONFIG)
    return Kept(replace(footage, **changed), REQUEST, "0123456789abcdef" * 2)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_kept(tmp_path / "ball.tenku", some())
    return tmp_path / "ball.tenku"


def bits(values: torch.Tensor) -> list[int]:
    return values.contiguous().view(torch.uint8).flatten().tolist()


def test_a_file_gives_back_every_bit(path: Path) -> None:
    before, after = some(), load_kept(path)
    assert bits(after.footage.latents) == bits(before.footage.latents)
    assert after.footage.latents.dtype == torch.float32
    assert after.footage.tracks is not None
    assert before.footage.tracks is not None
    assert bits(after.footage.tracks) == bits(before.footage.tracks)
    for name in ("prompts", "fps", "cuts", "frames_per_latent", "pixels_per_latent", "track_config"):
        assert getattr(after.footage, name) == getattr(before.footage, name)
    assert after.request == REQUEST
    assert after.vae == before.vae


def test_latents_alone_are_kept_too(tmp_path: Path) -> None:
    for index, config in enumerate((CONFIG, None)):
        path = tmp_path / f"{index}.TENKU"
        save_kept(path, some(tracks=None, track_config=config, prompts=(), cuts=()))
        found = load_kept(path).footage
        assert (found.tracks, found.track_config, found.prompts, found.cuts) == (None, config, (), ())


def test_parts_of_larger_tensors_are_kept(tmp_path: Path) -> None:
    whole = some().footage
    save_kept(tmp_path / "part.tenku", Kept(whole.first(2), REQUEST, ""))
    found = load_kept(tmp_path / "part.tenku").footage
    assert bits(found.latents) == bits(whole.latents[:, :, :2])
    assert found.prompts == (PromptSpan("红球", 0, 1), PromptSpan("a ball", 1, 2))
    assert found.cuts == (1,)


def test_what_is_kept_twice_is_the_same_file(path: Path, tmp_path: Path) -> None:
    save_kept(tmp_path / "again.tenku", load_kept(path))
    again = load_kept(tmp_path / "again.tenku")
    assert bits(again.footage.latents) == bits(some().footage.latents)
    assert (tmp_path / "again.tenku").stat().st_size == path.stat().st_size


def test_a_byte_changed_anywhere_is_found(path: Path) -> None:
    """In lengths, names, the text, the digest or the numbers."""
    data = path.read_bytes()
    for place in (*range(8), *range(8, len(data), 61)):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        with pytest.raises(UserError, match=r"(no whole \.tenku file|changed or damaged).*copy it again\.$"):
            load_kept(path)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.7, 0.9999])
def test_a_file_cut_short_is_found(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(UserError, match=r"no whole \.tenku file; make or copy it again\.$"):
        load_kept(path)


def test_a_file_with_more_at_its_end_is_found(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(UserError, match=r"no whole \.tenku file"):
        load_kept(path)


def parts(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in ("latents", "tracks")}, file.metadata()


def test_a_text_changed_by_hand_is_found(path: Path) -> None:
    tensors, metadata = parts(path)
    facts = json.loads(metadata["tenku"])
    facts["request"]["prompt"] = "a blue ball"
    path.write_bytes(save(tensors, {**metadata, "tenku": json.dumps(facts)}))
    with pytest.raises(UserError, match=r"changed or damaged since it was made; make or copy it again\.$"):
        load_kept(path)


@pytest.mark.parametrize("change", ["values", "shape", "type", "name", "more", "fewer"])
def test_numbers_changed_by_hand_are_found(path: Path, change: str) -> None:
    tensors, metadata = parts(path)
    latents = tensors["latents"]
    tensors |= {
        "values": {"latents": latents + 1},
        "shape": {"latents": latents.reshape(1, 4, 3, 6, 4)},
        "type": {"latents": latents.view(torch.int32)},
        "name": {"Latents": latents.clone()},
        "more": {"more": torch.ones(1)},
        "fewer": {},
    }[change]
    if change == "fewer":
        del tensors["tracks"]
    path.write_bytes(save(tensors, metadata))
    with pytest.raises(UserError, match="changed or damaged"):
        load_kept(path)


def test_another_format_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as later:
        later.setattr(kept, "_FORMAT", 2)
        save_kept(tmp_path / "later.tenku", some())
    with pytest.raises(
        UserError, match=r"has format 2, this tenku reads 1; install the version that made it"
    ):
        load_kept(tmp_path / "later.tenku")


def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "sprung",)  # type: ignore[return-value]

    path = tmp_path / "trap.tenku"
    for data in (pickle.dumps(Trap()), pickle.dumps({"latents": Trap()}, protocol=0)):
        path.write_bytes(data)
        with pytest.raises(UserError, match=r"no whole \.tenku file"):
            load_kept(path)
    torch.save({"latents": Trap()}, path)
    with pytest.raises(UserError, match=r"no whole \.tenku file"):
        load_kept(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("data", [b"", b"tenku", b"\0" * 8, b"\xff" * 64, b"a" * 5000], ids=len)
def test_what_is_no_such_file(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "some.tenku"
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"no whole \.tenku file; make or copy it again\.$"):
        load_kept(path)


def test_a_file_of_other_numbers_is_none(tmp_path: Path) -> None:
    path = tmp_path / "weights.tenku"
    path.write_bytes(save({"weight": torch.ones(2, 2)}))
    with pytest.raises(UserError, match="make or copy it again"):
        load_kept(path)


def test_a_file_of_single_numbers_is_none(tmp_path: Path) -> None:
    """As weights have them, of counters and temperatures."""
    path = tmp_path / "weights.tenku"
    path.write_bytes(save({"weight": torch.ones(2, 2), "temperature": torch.tensor(0.5)}))
    with pytest.raises(UserError, match="make or copy it again"):
        load_kept(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no file '.*nothing\.tenku'; give a video or"):
        load_kept(tmp_path / "nothing.tenku")
    with pytest.raises(UserError, match=r"no whole \.tenku file"):
        load_kept(tmp_path)


@pytest.mark.parametrize("name", ["ball.mp4", "ball", "tenku", "ball.tenku.safetensors"])
def test_names_that_do_not_say_what_it_is(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"cannot be kept; end its name with \.tenku\.$"):
        save_kept(tmp_path / name, some())
    assert list(tmp_path.iterdir()) == []


def test_nothing_half_written_is_left_behind(path: Path) -> None:
    data = path.read_bytes()
    with pytest.raises(TypeError):
        save_kept(path, some(fps=object()))
    assert path.read_bytes() == data
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("request", {"prompt": "a", "wish": 1}),
        ("request", {}),
        ("request", None),
        ("prompts", [{"prompt": "a"}]),
        ("prompts", 3),
        ("fps", "fast"),
        ("track_config", None),
        ("track_config", {"look_sizes": [3, 2]}),
        ("frames_per_latent", None),
    ],
)
def test_facts_that_make_no_generation(path: Path, name: str, value: object) -> None:
    """Of a file whose digest is right: somebody else has written it."""
    tensors, metadata = parts(path)
    facts = {**json.loads(metadata["tenku"]), name: value}
    text = json.dumps(facts)
    path.write_bytes(save(tensors, {"tenku": text, "digest": kept._digest(text, tensors)}))
    with pytest.raises(UserError, match=r"holds no generation of tenku's .*; make it again"):
        load_kept(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "1", "null", "{}"])
def test_texts_that_make_no_generation(path: Path, text: str) -> None:
    tensors, _ = parts(path)
    path.write_bytes(save(tensors, {"tenku": text, "digest": kept._digest(text, tensors)}))
    with pytest.raises(UserError, match="holds no generation"):
        load_kept(path)


def test_a_request_that_nobody_may_ask_is_not_read(path: Path) -> None:
    tensors, metadata = parts(path)
    facts = json.loads(metadata["tenku"])
    facts["request"]["width"] = 10**9
    text = json.dumps(facts)
    path.write_bytes(save(tensors, {"tenku": text, "digest": kept._digest(text, tensors)}))
    with pytest.raises(UserError, match="cannot be generated"):
        load_kept(path)


def test_a_fingerprint_is_of_every_weight(tiny_model: Model) -> None:
    vae = tiny_model.vae
    first = fingerprint(vae)
    assert len(first) == 32
    assert fingerprint(vae.to(memory_format=torch.channels_last)) == first  # type: ignore[call-overload]
    other = VideoAutoencoder(vae.config)
    other.load_state_dict(vae.state_dict())
    assert fingerprint(other) == first
    for value in list(other.state_dict().values()):
        value.view(-1)[-1] += 0.5
        assert fingerprint(other) != first
        value.view(-1)[-1] -= 0.5


def test_a_fingerprint_is_of_the_statistics_too(tiny_model: Model) -> None:
    """Latents that are normalised otherwise cannot be read."""
    other = VideoAutoencoder(replace(tiny_model.vae.config, latent_std=(2.0, 1.0, 1.0, 1.0)))
    other.load_state_dict(tiny_model.vae.state_dict())
    assert fingerprint(other) != fingerprint(tiny_model.vae)


def test_the_model_that_kept_it_opens_it_again(tiny_model: Model, tmp_path: Path) -> None:
    pipeline = VideoPipeline(tiny_model)
    request = GenerationRequest(prompt="a red ball", num_frames=9, height=32, width=48)
    footage = pipeline(request).footage
    save_kept(tmp_path / "a.tenku", Kept(footage, request, fingerprint(tiny_model.vae)))
    again = load_kept(tmp_path / "a.tenku")
    assert torch.equal(pipeline.reopen(again).latents, footage.latents)
    with pytest.raises(
        UserError, match=r"kept by another model, .*; give the model that made it, or the vid"
    ):
        pipeline.reopen(replace(again, vae="0" * 32))

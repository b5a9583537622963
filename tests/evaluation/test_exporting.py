"""Layouts as their benchmarks check them; the entries of the lists below are real ones."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tenku.checkpoint import load_model
from tenku.errors import UserError
from tenku.evaluation import Report, Row, evaluate
from tenku.evaluation.autoencoder import round_trip
from tenku.evaluation.benchmarks import BENCHMARKS, ONLY_THE_REAL_THING, refuse
from tenku.evaluation.exporting import export, wanted_of
from tenku.media import read_video, write_picture

PHYSICS_IQ = """\
scenario,description,category
0001_perspective-left_take-1_trimmed-ball-and-block-fall.mp4,"A ball, and a block. Static.",Solid Mechanics
0001_perspective-left_take-2_trimmed-ball-and-block-fall.mp4,"A ball, and a block. Static.",Solid Mechanics
0002_perspective-center_take-1_trimmed-ball-and-block-fall.mp4,A ball falls.,Solid Mechanics
"""
VBENCH = [
    {"prompt_en": "In a still frame, a stop sign", "dimension": ["temporal_flickering"]},
    {"prompt_en": "a red ball", "dimension": ["color", "object_class"]},
]
WORLDMODELBENCH = [
    {
        "domain": "autonomous vehicle",
        "subdomain": "Stopping",
        "text_first_frame": "The vehicle approaches a traffic light.",
        "text_instruction": "The vehicle stops.",
        "first_frame": "images/69620089860948e38a4921dd4869d24f.jpg",
    }
]


@pytest.fixture
def lists(tmp_path: Path) -> dict[str, Path]:
    texts = {
        "physics-iq": ("descriptions.csv", PHYSICS_IQ),
        "vbench": ("VBench_full_info.json", json.dumps(VBENCH)),
        "worldmodelbench": ("worldmodelbench.json", json.dumps(WORLDMODELBENCH)),
    }
    paths = {}
    for name, (file, text) in texts.items():
        paths[name] = tmp_path / file
        paths[name].write_text(text)
    return paths


def test_physics_iq_asks_for_the_first_take_of_every_view(lists: dict[str, Path]) -> None:
    first, second = wanted_of("physics-iq", lists["physics-iq"])
    assert first.name == "0001_perspective-left_trimmed-ball-and-block-fall.mp4"
    assert first.prompt == "A ball, and a block. Static."
    assert first.picture == "0001_switch-frames_anyFPS_perspective-left_trimmed-ball-and-block-fall.jpg"
    assert second.name.startswith("0002_perspective-center_")


def test_vbench_asks_for_five_samples_and_for_25_where_things_must_not_flicker(
    lists: dict[str, Path],
) -> None:
    names = [video.name for video in wanted_of("vbench", lists["vbench"])]
    assert names[:2] == ["In a still frame, a stop sign-0.mp4", "In a still frame, a stop sign-1.mp4"]
    assert names[25:] == [f"a red ball-{index}.mp4" for index in range(5)]


def test_vbench_prompts_may_come_one_a_line(tmp_path: Path) -> None:
    (tmp_path / "color.txt").write_text("a red bicycle\n\na green bicycle\n")
    names = [video.name for video in wanted_of("vbench", tmp_path / "color.txt")]
    assert names[0] == "a red bicycle-0.mp4"
    assert names[-1] == "a green bicycle-4.mp4"
    assert len(names) == 10


def test_worldmodelbench_names_videos_after_first_frames(lists: dict[str, Path]) -> None:
    (video,) = wanted_of("worldmodelbench", lists["worldmodelbench"])
    assert video.name == "69620089860948e38a4921dd4869d24f.mp4"
    assert video.prompt == "The vehicle approaches a traffic light. The vehicle stops."


def test_the_folder_holds_videos_alone_and_each_has_a_seed_of_its_own(
    lists: dict[str, Path], tmp_path: Path, tiny_model: Path
) -> None:
    wanted, folder = wanted_of("physics-iq", lists["physics-iq"]), tmp_path / "out"
    made = list(export("physics-iq", wanted, folder, model=str(tiny_model), seed=7))
    assert all(video.is_new for video in made)
    assert sorted(path.name for path in folder.iterdir()) == [video.name for video in wanted]
    video = read_video(made[0].path)
    assert video.num_frames / video.fps == pytest.approx(5.0, abs=1e-3)  # what their script insists on
    record = json.loads((tmp_path / "out.json").read_text())
    assert [entry["seed"] for entry in record["videos"]] == [7, 8]


def test_what_is_there_stays(lists: dict[str, Path], tmp_path: Path, tiny_model: Path) -> None:
    wanted, folder = wanted_of("worldmodelbench", lists["worldmodelbench"]), tmp_path / "out"
    folder.mkdir()
    (folder / wanted[0].name).write_bytes(b"made before")
    (made,) = export("worldmodelbench", wanted, folder, model=str(tiny_model))
    assert not made.is_new
    assert made.path.read_bytes() == b"made before"


def test_videos_begin_with_the_pictures_of_the_benchmark(
    lists: dict[str, Path], tmp_path: Path, tiny_model: Path
) -> None:
    pictures = tmp_path / "images"
    pictures.mkdir()
    shown = np.zeros((128, 128, 3), np.uint8)
    shown[:, 64:] = (200, 30, 30)
    write_picture(pictures / "69620089860948e38a4921dd4869d24f.jpg", shown)
    wanted = wanted_of("worldmodelbench", lists["worldmodelbench"], pictures)
    (made,) = export("worldmodelbench", wanted, tmp_path / "out", model=str(tiny_model), pictures=pictures)
    vae = load_model(tiny_model).vae  # of random weights: what it makes of a picture is no picture
    first = read_video(made.path).frames[0].mean(-1)
    likeness = [
        np.corrcoef(first.ravel(), round_trip(vae, torch.from_numpy(picture[None])).numpy().mean(-1).ravel())[
            0, 1
        ]
        for picture in (shown, np.ascontiguousarray(shown[:, ::-1]))
    ]
    assert likeness[0] > 0.8
    assert likeness[0] > likeness[1] + 0.1


@pytest.mark.parametrize(
    ("name", "file", "text", "sentence"),
    [
        ("vbench", "a.json", "[", "is not JSON"),
        ("vbench", "a.json", "{}", "is not a list of prompts"),
        ("vbench", "a.json", '[{"prompt": "a"}]', "an entry without 'prompt_en'"),
        ("vbench", "a.json", '[{"prompt_en": "a/b"}]', "cannot be the name of a file"),
        ("vbench", "a.txt", "x" * 300, "cannot be the name of a file"),
        ("vbench", "a.txt", "a cat\na cat\n", "asks twice for 'a cat-0.mp4'"),
        ("physics-iq", "a.csv", "scene,text\n", "no column 'scenario'"),
        ("physics-iq", "a.csv", "scenario,description\nball.mp4,A ball\n", "is not Physics-IQ's"),
        ("worldmodelbench", "nowhere.json", None, "cannot be read"),
        ("beauty", "a.json", "[]", "no layout 'beauty'"),
    ],
)
def test_a_list_that_is_none_is_told(
    tmp_path: Path, name: str, file: str, text: str | None, sentence: str
) -> None:
    if text is not None:
        (tmp_path / file).write_text(text)
    with pytest.raises(UserError, match=sentence):
        wanted_of(name, tmp_path / file)


def test_a_missing_picture_is_named(lists: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no '69620089860948e38a4921dd4869d24f\.jpg'"):
        wanted_of("worldmodelbench", lists["worldmodelbench"], tmp_path)
    (tmp_path / "b.txt").write_text("a red bicycle")
    with pytest.raises(UserError, match=r"there is no picture for 'a red bicycle-0\.mp4'"):
        wanted_of("vbench", tmp_path / "b.txt", tmp_path)


@pytest.mark.parametrize("name", [*ONLY_THE_REAL_THING, "FVD", "Physics-IQ", "VBench 2.0", "LPIPS"])
def test_no_score_is_printed_under_a_name_that_is_not_ours(name: str) -> None:
    with pytest.raises(UserError, match="tenku does not have that"):
        refuse(name)
    with pytest.raises(UserError, match="tenku does not have that"):
        evaluate(suite=name)
    row = Row.of_share(name, [True])
    with pytest.raises(UserError, match="tenku does not have that"):
        Report(suite="prompts", model="m", seed=0, n=1, command="", seconds=0.0, rows=(row,))


def test_a_refusal_shows_the_way_where_there_is_one() -> None:
    for name in BENCHMARKS:
        with pytest.raises(UserError, match=f"tenku export {name}"):
            refuse(name)
    refuse("PSNR")
    refuse("likephys")

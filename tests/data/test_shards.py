import gc
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import webdataset

from tenku.data import DatasetConfig, clip_seed, read_shards, shard_paths, write_shards
from tenku.errors import UserError
from tenku.worlds import simulate_clip

SMALL = DatasetConfig(seed=3, num_frames=9, height=48, width=64, clips_per_shard=2)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five small clips in three shards."""
    directory = tmp_path_factory.mktemp("shards") / "clips"
    write_shards(directory, SMALL, 5)
    return directory


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_clips_lie_in_shards(directory: Path) -> None:
    names = ["clips-000000.tar", "clips-000001.tar", "clips-000002.tar"]
    assert sorted(os.listdir(directory)) == [*names, "dataset.json"]
    assert [path.name for path in shard_paths(directory)] == names
    assert [sample.key for sample in read_shards(directory)] == [f"{index:08d}" for index in range(5)]
    assert [sample.key for sample in read_shards([directory / names[1]])] == ["00000002", "00000003"]


def test_a_clip_comes_back_with_its_captions_and_its_truth(directory: Path) -> None:
    for index, sample in enumerate(read_shards(directory)):
        clip = simulate_clip(
            clip_seed(3, index), num_frames=9, height=48, width=64, with_truth=True
        )  # single shots: too short for a cut
        assert clip.truth is not None
        video, metadata, truth = sample.video(), sample.metadata(), sample.truth()
        assert video.fps == 16
        error = np.mean((video.frames.astype(float) - clip.frames) ** 2)
        assert 10 * np.log10(255**2 / error) > 38
        assert metadata["seed"] == clip.seed
        assert [len(sample.captions(language)) for language in ("en", "zh")] == [3, 3]
        assert [thing["colour"] for thing in metadata["description"]["objects"]] == [
            thing.colour for thing in clip.description.objects
        ]
        assert len(metadata["shots"][0]["contacts"]) == len(clip.truth.trajectory.contacts)
        assert np.array_equal(truth["segmentation"], clip.truth.segmentation)
        assert np.allclose(truth["depth"], clip.truth.depth, rtol=1e-3)
        assert np.allclose(truth["shot0_positions"], clip.truth.trajectory.positions, atol=1e-5)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # webdataset leaves the last tar file open
def test_webdataset_reads_the_shards(directory: Path) -> None:
    paths = [str(path) for path in shard_paths(directory)]
    keep_video = webdataset.handle_extension("mp4", lambda data: data)
    samples = list(webdataset.WebDataset(paths, shardshuffle=False).decode(keep_video))
    assert len(samples) == 5
    for sample in samples:
        assert sample["npz"]["depth"].shape == (9, 48, 64)
        assert len(sample["json"]["captions"]["zh"]) == 3
    gc.collect()


def test_a_picture_is_stored_exactly(tmp_path: Path) -> None:
    config = DatasetConfig(num_frames=1, height=48, width=48)
    write_shards(tmp_path, config, 1)
    (sample,) = read_shards(tmp_path)
    clip = simulate_clip(clip_seed(0, 0), num_frames=1, height=48, width=48)
    assert sorted(sample.files) == ["json", "npz", "png"]
    assert np.array_equal(sample.video().frames, clip.frames)


def test_a_larger_set_keeps_what_is_there(directory: Path, tmp_path: Path) -> None:
    write_shards(tmp_path, SMALL, 3)
    first = (tmp_path / "clips-000000.tar").stat()
    seen: list[tuple[int, int]] = []
    write_shards(tmp_path, SMALL, 5, on_clip=lambda done, total: seen.append((done, total)))
    assert contents(tmp_path) == contents(directory)
    assert (tmp_path / "clips-000000.tar").stat().st_mtime_ns == first.st_mtime_ns
    assert seen == [(2, 5), (3, 5), (4, 5), (5, 5)]


def test_other_clips_are_not_mixed_in(directory: Path) -> None:
    before = contents(directory)
    with pytest.raises(UserError, match="seed 3 instead of 4"):
        write_shards(directory, DatasetConfig(seed=4, num_frames=9, height=48, width=64), 5)
    assert contents(directory) == before


def test_a_killed_run_goes_on_to_the_same_bytes(directory: Path, tmp_path: Path) -> None:
    """Killed with two workers after its first shard; the workers must not outlive it."""
    command = [
        *(Path(sys.executable).with_name("tenku"), "simulate", "-o", tmp_path, "-n", "5", "--seed", "3"),
        *("--size", "64x48", "--frames", "9", "--clips-per-shard", "2", "--workers", "2"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 120
        while not (tmp_path / "clips-000000.tar").exists() and time.monotonic() < deadline:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)  # returns when the workers, too, have closed the pipes
    subprocess.run(command, check=True, capture_output=True)
    assert contents(tmp_path) == contents(directory)


def test_an_interrupted_run_leaves_only_whole_shards(tmp_path: Path) -> None:
    command = [
        *(Path(sys.executable).with_name("tenku"), "simulate", "-o", tmp_path, "-n", "10000"),
        *("--size", "64x48", "--frames", "9", "--clips-per-shard", "2", "--workers", "2"),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while not list(tmp_path.glob("clips-*.tar")):
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)  # like Ctrl-C: the workers get it as well
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr == "tenku: stopped; finished shards are kept; the same command goes on from there.\n"
    assert [name for name in os.listdir(tmp_path) if "partial" in name] == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"seed": -1}, "seed -1"),
        ({"num_frames": 0}, "0 frames"),
        ({"fps": float("nan")}, "frames per second"),
        ({"width": 100}, "multiples of 16"),
        ({"width": 512, "height": 64}, "three times"),
        ({"languages": ("en", "tlh")}, "'tlh'"),
        ({"languages": ()}, "no language"),
        ({"clips_per_shard": 0}, "at least 1"),
    ],
)
def test_what_no_data_set_can_be(options: dict[str, int], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        DatasetConfig(**options)  # type: ignore[arg-type]


def test_an_empty_directory_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="tenku simulate"):
        list(read_shards(tmp_path))


def test_the_description_says_what_the_shards_hold(directory: Path) -> None:
    described = json.loads((directory / "dataset.json").read_text())
    assert (described["num_frames"], described["seed"], described["languages"]) == (9, 3, ["en", "zh"])

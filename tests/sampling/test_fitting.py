"""Tracks that were moved away come back to what a small random drafter drafts of the true ones."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from tenku.denoiser import BOX_SIZE, CAMERA_SIZE, NUM_FLOORS, POSE_SIZE, Drafter, TrackConfig
from tenku.sampling import fit_tracks

Randomise = Callable[[nn.Module], nn.Module]
TRACKS = TrackConfig(look_sizes=(3, 2), frames_per_latent=4, max_objects=2, hidden_size=24, depth=1)
SIZE = (6, 8)
FIRST_POSE, FIRST_CAMERA = 1 + 5, 1 + 13
CAMERAS = slice(FIRST_CAMERA, FIRST_CAMERA + 4 * CAMERA_SIZE)


@pytest.fixture(scope="module")
def drafter(randomised: Randomise) -> Drafter:
    torch.manual_seed(0)
    drafter = Drafter(TRACKS, (1.0,) * 4, depth=1)
    randomised(drafter)
    with torch.no_grad():
        drafter.out.weight *= 3
    return drafter


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def true_tracks(t: int = 3) -> Tensor:
    """Packed tracks (1 c t 3) of an object, nothing, and a setting."""
    packed = torch.zeros(1, TRACKS.channels, t, 3)
    packed[:, 0, :, [0, 2]] = 1
    packed[:, [1, 5], :, 0] = 1
    for frame in range(4):
        pose = packed[0, FIRST_POSE + POSE_SIZE * frame :, :, 0]
        pose[:BOX_SIZE] = torch.tensor([-0.2, 0.1, 0.6, 0.5, 0.1])[:, None]
        pose[5] = pose[9] = 1
        camera = packed[0, FIRST_CAMERA + CAMERA_SIZE * frame :, :, 2]
        camera[:CAMERA_SIZE] = torch.tensor([0.6, 0.8, 0.44, 4.7, 0.5, 0.5, -0.4, 0.75])[:, None]
    packed[:, 2, :, 2] = 1  # the second floor
    packed[:, 1 + NUM_FLOORS : FIRST_CAMERA, :, 2] = torch.linspace(-0.8, 0.8, 10)[:, None]
    return packed


def moved_away(packed: Tensor) -> Tensor:
    away = packed.clone()
    for frame in range(4):
        away[:, FIRST_POSE + POSE_SIZE * frame, :, 0] += 0.15
        away[:, FIRST_POSE + POSE_SIZE * frame + 1, :, 0] -= 0.15
        away[:, FIRST_CAMERA + CAMERA_SIZE * frame + 2, :, 2] += 0.05
    away[:, 1 + NUM_FLOORS : FIRST_CAMERA, :, 2] += 0.1
    return away


def error(drafter: Drafter, packed: Tensor, latents: Tensor) -> float:
    return float((drafter(packed, *SIZE).mean - latents).square().mean())


def latents_of(drafter: Drafter, packed: Tensor) -> Tensor:
    mean: Tensor = drafter(packed, *SIZE).mean
    return mean


def anywhere(t: int = 3) -> Tensor:
    """Latents that no tracks fit, so that everything that may move does."""
    return 2 * gaussian(1, 4, t, *SIZE, seed=5)


def test_tracks_come_nearer_to_the_latents_that_they_draft(drafter: Drafter) -> None:
    latents, start = latents_of(drafter, true_tracks()), moved_away(true_tracks())
    before = error(drafter, start, latents)
    assert before > 0.01
    fitted = fit_tracks(drafter, start, latents, 40)
    assert error(drafter, fitted, latents) < 0.5 * before


def test_a_thing_comes_back_to_where_it_is(drafter: Drafter) -> None:
    truth, start = true_tracks(), true_tracks()
    start[:, FIRST_POSE : FIRST_POSE + 4 * POSE_SIZE : POSE_SIZE, :, 0] += 0.2
    fitted = fit_tracks(drafter, start, latents_of(drafter, truth), 60)
    boxes = slice(FIRST_POSE, FIRST_POSE + 4 * POSE_SIZE, POSE_SIZE)
    off = (fitted - truth)[:, boxes, :, 0].abs()
    assert off.mean() < 0.1


def test_what_fits_already_stays(drafter: Drafter) -> None:
    truth = true_tracks()
    assert torch.allclose(fit_tracks(drafter, truth, latents_of(drafter, truth), 10), truth, atol=0.02)


def test_more_steps_come_nearer_and_none_stay(drafter: Drafter) -> None:
    latents, start = latents_of(drafter, true_tracks()), moved_away(true_tracks())
    assert torch.equal(fit_tracks(drafter, start, latents, 0), start)
    errors = [error(drafter, fit_tracks(drafter, start, latents, steps), latents) for steps in (0, 3, 10, 40)]
    assert all(after < before for before, after in pairwise(errors))


def test_what_is_given_is_not_written_over(drafter: Drafter) -> None:
    latents, start = anywhere(), moved_away(true_tracks())
    kept = latents.clone(), start.clone()
    weights = {name: value.clone() for name, value in drafter.state_dict().items()}
    fitted = fit_tracks(drafter, start, latents, 3)
    assert not fitted.requires_grad
    assert torch.equal(latents, kept[0])
    assert torch.equal(start, kept[1])
    assert all(torch.equal(value, weights[name]) for name, value in drafter.state_dict().items())


def test_it_fits_where_nothing_else_learns(drafter: Drafter) -> None:
    latents, start = latents_of(drafter, true_tracks()), moved_away(true_tracks())
    plain = fit_tracks(drafter, start, latents, 5)
    with torch.inference_mode():
        assert torch.equal(fit_tracks(drafter, start * 1, latents * 1, 5), plain)
    assert not torch.allclose(plain, start, atol=1e-3)


def test_half_precision_comes_nearer_too(drafter: Drafter) -> None:
    latents, start = latents_of(drafter, true_tracks()), moved_away(true_tracks())
    fitted = fit_tracks(drafter, start, latents, 40, half_precision=True)
    assert fitted.dtype == torch.float32
    assert error(drafter, fitted, latents) < 0.5 * error(drafter, start, latents)


def test_what_is_not_there_does_not_move(drafter: Drafter) -> None:
    start = true_tracks()
    start[:, :, 1, 0] = 0  # it is gone for a while
    moves = fit_tracks(drafter, start, anywhere(), 5) - start
    assert not moves[..., 1].any()
    assert not moves[:, :, 1, 0].any()
    assert (moves[:, FIRST_POSE : FIRST_POSE + 4 * POSE_SIZE, [0, 2], 0].abs() > 1e-4).all()


def test_looks_and_floors_do_not_move(drafter: Drafter) -> None:
    moves = fit_tracks(drafter, true_tracks(), anywhere(), 5) - true_tracks()
    assert not moves[:, :FIRST_POSE, :, 0].any()
    assert not moves[:, : 1 + NUM_FLOORS, :, 2].any()
    assert not moves[:, CAMERAS.stop :, :, 2].any()
    assert (moves[:, 1 + NUM_FLOORS : CAMERAS.stop, :, 2].abs().amax(2) > 1e-5).all()


def test_poses_move_frame_by_frame(drafter: Drafter) -> None:
    moves = fit_tracks(drafter, true_tracks(), anywhere(), 5) - true_tracks()
    poses = moves[0, FIRST_POSE : FIRST_POSE + 4 * POSE_SIZE, :, 0].view(4, POSE_SIZE, 3)
    assert (poses.flatten(0, 1).std(1) > 1e-4).all()
    assert (poses.std(0) > 1e-4).all()


def test_surroundings_move_alike_in_all_frames(drafter: Drafter) -> None:
    start = true_tracks()
    start[:, 1 + NUM_FLOORS : FIRST_CAMERA, 1, 2] += 0.2  # even where they were not alike
    moves = (fit_tracks(drafter, start, anywhere(), 5) - start)[0, 1 + NUM_FLOORS : FIRST_CAMERA, :, 2]
    assert torch.allclose(moves, moves[:, :1].expand_as(moves), atol=1e-6)
    assert (moves.abs() > 1e-4).all()


@pytest.mark.parametrize(
    ("times", "frames"),
    [
        (None, [3, 3, 3, 3, *range(4, 12)]),
        ([0, 1, 2], [3, 3, 3, 3, *range(4, 12)]),
        ([0, 1, 7], [3, 3, 3, 3, *range(4, 8), *range(28, 32)]),
        ([2, 3, 9], [*range(8, 16), *range(36, 40)]),
    ],
)
def test_cameras_move_along_a_straight_line_in_time(
    drafter: Drafter, times: Sequence[int] | None, frames: list[int]
) -> None:
    moves = fit_tracks(drafter, true_tracks(), anywhere(), 8, times=times) - true_tracks()
    cameras = moves[0, CAMERAS, :, 2].view(4, CAMERA_SIZE, 3).permute(2, 0, 1).flatten(0, 1)  # frames 8
    time = torch.tensor(frames, dtype=torch.float32)
    fit = torch.stack([torch.ones_like(time), (time - time.mean()) / time.std()], 1)
    line = torch.linalg.lstsq(fit, cameras).solution
    assert torch.allclose(fit @ line, cameras, atol=1e-5)
    assert (line.abs().amax(0) > 1e-4).all()
    assert line[1].abs().max() > 1e-3


def test_a_single_frame_has_one_camera(drafter: Drafter) -> None:
    moves = fit_tracks(drafter, true_tracks(1), anywhere(1), 5) - true_tracks(1)
    cameras = moves[0, CAMERAS, 0, 2].view(4, CAMERA_SIZE)
    assert torch.allclose(cameras, cameras[:1].expand(4, -1), atol=1e-6)
    assert (cameras.abs() > 1e-6).all()

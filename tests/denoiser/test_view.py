"""Where lines of sight meet the floor and where shadows fall, held against what is rendered.

A `View` is computed from the settings and poses that a clip comes with, and from nothing else.
"""

import math
from functools import cache

import numpy as np
import pytest
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from tenku.data.tracks import track_config
from tenku.denoiser import BOX_SIZE, CAMERA_SIZE, unpack
from tenku.denoiser.fields import _background_features
from tenku.denoiser.view import Encounters, View, lines_of_sight
from tenku.timeline import Tracks
from tenku.worlds import SimulatedClip, WorldConfig, simulate_clip
from tenku.worlds.shapes import Floats
from tenku.worlds.tracks import SURROUNDINGS

CONFIG = track_config(4)
CHECKED = WorldConfig(
    floors={"checkerboard": 1.0},
    object_counts={1: 1.0},
    cut_probability=0.0,
    camera_move_probability=1.0,
)
SIZES = [(128, 128), (96, 160), (160, 96)]
NUM_FRAMES = 5


@cache
def clip_of(seed: int, height: int, width: int) -> SimulatedClip:
    return simulate_clip(
        seed, num_frames=NUM_FRAMES, height=height, width=width, world=CHECKED, with_truth=True
    )


def tracks_of(clip: SimulatedClip) -> Tracks:
    poses, settings = (torch.tensor(part)[None] for part in (clip.poses, clip.setting))
    return Tracks(
        poses, torch.zeros(1, poses.shape[2], CONFIG.look_channels), torch.ones(1, poses.shape[2]), settings
    )


def view_of(tracks: Tracks, height: int, width: int) -> View:
    """The view of every frame and pixel: frames are seen as so many latent frames of one frame."""
    sight = lines_of_sight(height, width, tracks.settings)
    return View.of(tracks.settings[:, :, None, :CAMERA_SIZE], sight * CONFIG.tan_half_view)


def passed(tracks: Tracks, view: View) -> tuple[Encounters, Tensor]:
    """How every line of sight passes the only object, and the object's middle (t 3), in level axes."""
    boxes = tracks.poses[0, :, 0, :BOX_SIZE]
    depth = CONFIG.distance * boxes[:, 4:].exp()
    across = boxes[:, :2] * torch.tensor([1.0, -1.0]) * CONFIG.tan_half_view * depth
    middles = view.placed(torch.cat([across, depth], -1)[None, :, None, None, None, None])
    return view.encounters(middles), middles[0, :, 0, 0, 0, 0]


def from_the_shadow(tracks: Tracks, view: View) -> Tensor:
    """How far the floor in sight (t h w) lies from the middle of the shadow, measured across the light."""
    return passed(tracks, view)[0].shaded[0, ..., 0, 0, :].norm(dim=-1)


def brightness(clip: SimulatedClip) -> Floats:
    found: Floats = clip.frames.astype(float).mean(-1)
    return found


def floor_pixels(clip: SimulatedClip) -> NDArray[np.bool_]:
    """Where (t h w) there is floor rather than an object or what lies near the horizon."""
    assert clip.truth is not None
    floor: NDArray[np.bool_] = (clip.truth.segmentation < 0) & (clip.truth.depth < 12)
    return floor


def both_ways(clip: SimulatedClip) -> list[tuple[Tracks, Floats, NDArray[np.bool_]]]:
    """Tracks, brightness and floor of a clip, and of its mirror image with mirrored tracks."""
    tracks, bright, floor = tracks_of(clip), brightness(clip), floor_pixels(clip)
    return [(tracks, bright, floor), (tracks.mirrored(), bright[:, :, ::-1], floor[:, :, ::-1])]


def checks(tracks: Tracks, view: View) -> Floats:
    """Which fields of the board (t h w) are seen, bright 1 and dark −1, by the setting's word."""
    scale = tracks.settings[0, 0, CAMERA_SIZE + SURROUNDINGS.index("scale")]
    found: Floats = (math.pi * scale * view.in_the_world()[0, ..., 0, :]).sin().sign().prod(-1).numpy()
    return found


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_floor_lies_where_rays_meet_it(height: int, width: int) -> None:
    for seed in range(6):
        clip = clip_of(seed, height, width)
        assert clip.truth is not None
        view, cameras = view_of(tracks_of(clip), height, width), clip.truth.cameras
        right, down = (lines_of_sight(height, width, torch.zeros(1)).numpy() * CONFIG.tan_half_view).T
        rays = np.stack([right.T, -down.T, np.ones((height, width))], -1)
        depth = clip.truth.depth.astype(float)
        points = cameras.positions[:, None, None] + depth[..., None] * np.einsum(
            "hwi,tij->thwj", rays, cameras.axes
        )
        near = floor_pixels(clip)
        assert near.mean() > 0.3
        assert np.abs(points[near][:, 2]).max() < 1e-3
        found = view.in_the_world()[0, ..., 0, :].numpy()
        assert np.abs(found - points[..., :2])[near].max() < 2e-3
        assert view.sees_floor[0, ..., 0].numpy()[near].all()


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_checkerboard_lies_where_it_is_painted(height: int, width: int) -> None:
    """Also in a mirror: fields are bright where sine times sine is positive. Far ones are a blur."""
    for seed in range(10):
        for tracks, bright, floor in both_ways(clip_of(seed, height, width)):
            view = view_of(tracks, height, width)
            lit = floor & (from_the_shadow(tracks, view) > 1).numpy()
            lit &= (view.in_the_world()[0, ..., 0, :].norm(dim=-1) < 2).numpy()
            assert lit.sum() > 3000
            assert np.corrcoef(checks(tracks, view)[lit], bright[lit])[0, 1] > 0.95


def test_positions_are_told_of_the_fields_in_them() -> None:
    """The product of sine and sine at the four points of a cell, on average, is how bright it is."""
    for seed in range(4):
        for tracks, bright, floor in both_ways(clip_of(seed, 128, 128)):
            unpacked = unpack(tracks.packed(CONFIG), CONFIG)
            cameras = unpacked.cameras
            view, fine = (
                View.of(cameras, lines_of_sight(side, side, cameras) * CONFIG.tan_half_view)
                for side in (32, 64)
            )
            features = _background_features(unpacked, view, fine)[0, ..., :20]
            waves = rearrange(features, "t h w f (p n) -> t f h w p n", n=5)
            told = waves[..., 4].mean(-1).numpy()
            cells = rearrange(bright, "f (h p) (w q) -> f h w (p q)", p=4, q=4).mean(-1)
            whole = rearrange(floor, "f (h p) (w q) -> f h w (p q)", p=4, q=4).all(-1)
            coarse = view_of(tracks, 32, 32)
            whole &= (from_the_shadow(tracks, coarse) > 1).numpy()
            whole &= (coarse.in_the_world()[0, ..., 0, :].norm(dim=-1) < 1.5).numpy()
            for t, number, frame in ((0, 0, 0), (0, 3, 0), (1, 0, 1), (1, 2, 3), (1, 3, 4)):
                here = whole[frame]
                assert here.sum() > 40
                assert np.corrcoef(told[t, number][here], cells[frame][here])[0, 1] > 0.85


def darkening(tracks: Tracks, bright: Floats, floor: NDArray[np.bool_]) -> list[float]:
    """How bright the floor is at the shadow's middle, as a share of lit fields of its kind, by frame."""
    view = view_of(tracks, *bright.shape[1:])
    away, field = from_the_shadow(tracks, view).numpy(), checks(tracks, view)
    near_the_middle = (view.in_the_world()[0, ..., 0, :].norm(dim=-1) < 2).numpy()
    shares = []
    for frame in range(len(bright)):
        for kind in (-1, 1):
            here = floor[frame] & (field[frame] == kind)
            shadow = here & (away[frame] < 0.2)
            lit = here & (away[frame] > 1) & near_the_middle[frame]
            if shadow.sum() > 4 and lit.sum() > 50:
                shares.append(float(bright[frame][shadow].mean() / bright[frame][lit].mean()))
    return shares


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_shadows_fall_where_the_setting_says(height: int, width: int) -> None:
    found, mistaken = [], []
    for seed in range(20):
        for tracks, bright, floor in both_ways(clip_of(seed, height, width)):
            found += darkening(tracks, bright, floor)
            tracks.settings[..., 5:7] *= -1  # had the lamp been on the other side
            mistaken += darkening(tracks, bright, floor)
    assert len(found) > 60
    assert np.max(found) < 1  # all of them are darker
    assert np.median(found) < 0.8
    assert np.median(mistaken) > 0.95


def test_an_object_hangs_as_high_as_it_does() -> None:
    """Its height above the floor, and its foot below it."""
    for seed in range(10):
        clip = clip_of(seed, 128, 128)
        assert clip.truth is not None
        place = clip.truth.trajectory.positions[:, clip.truth.described[0]]
        tracks = tracks_of(clip)
        view = view_of(tracks, 128, 128)
        met, middles = passed(tracks, view)
        # A cone's box is not about its centre of mass.
        off = 0.15 if clip.description.objects[0].shape == "cone" else 1e-3
        assert np.abs(middles[:, 2].numpy() - place[:, 2]).max() < off
        far = view.in_the_world()[0, ..., 0, :].numpy() - place[:, None, None, :2]
        to_foot = met.to_foot[0, ..., 0, 0, :].norm(dim=-1).numpy()
        assert np.abs(np.linalg.norm(far, axis=-1) - to_foot)[floor_pixels(clip)].max() < off


def test_lines_of_sight_pass_objects_where_their_surface_is_seen() -> None:
    """From a point of the surface along the line of sight, one comes to its nearest point to the middle."""
    for seed in range(10):
        clip = clip_of(seed, 128, 128)
        assert clip.truth is not None
        tracks = tracks_of(clip)
        view = view_of(tracks, 128, 128)
        met, _ = passed(tracks, view)
        place = clip.truth.trajectory.positions[:, clip.truth.described[0]]
        seen = clip.truth.segmentation == clip.truth.described[0]
        assert seen.sum() > 100
        right, down = (lines_of_sight(128, 128, torch.zeros(1)).numpy() * CONFIG.tan_half_view).T
        rays = np.stack([right.T, -down.T, np.ones((128, 128))], -1)
        cameras = clip.truth.cameras
        points = cameras.positions[:, None, None] + clip.truth.depth.astype(float)[..., None] * np.einsum(
            "hwi,tij->thwj", rays, cameras.axes
        )
        from_middle = points - place[:, None, None]
        along = np.einsum("hwi,tij->thwj", rays, cameras.axes)
        along /= np.linalg.norm(along, axis=-1, keepdims=True)
        nearest = from_middle - (from_middle * along).sum(-1, keepdims=True) * along
        off = 0.15 if clip.description.objects[0].shape == "cone" else 5e-3
        found = met.passing[0, ..., 0, 0, :].norm(dim=-1).numpy()
        assert np.abs(found - np.linalg.norm(nearest, axis=-1))[seen].max() < off
        assert np.abs(found - np.linalg.norm(nearest, axis=-1)[:, ::-1])[seen].max() > 2 * off


def test_a_mirror_image_hangs_below_the_floor_as_deep_as_its_object_above() -> None:
    camera = torch.tensor([0.0, 1, 0.3, 4.75, 0.5, 0.3, -0.4, 0.8])[None, None, None]
    view = View.of(camera, lines_of_sight(40, 40, camera) * CONFIG.tan_half_view)
    above = view.placed(torch.tensor([0.2, 0.1, 4.0]).view(1, 1, 1, 1, 1, 1, 3))
    below = above * torch.tensor([1.0, 1.0, -1.0])
    mirrored, straight = view.encounters(above).mirrored, view.encounters(below).passing
    there = view.floor.norm(dim=-1)[..., None] < 12  # the floor ends
    assert there.any()
    flipped = straight * torch.tensor([1.0, 1.0, -1.0])
    assert torch.allclose(mirrored[there], flipped[there], atol=1e-4)


def test_where_no_floor_is_seen_nothing_is_told_of_it() -> None:
    camera = torch.tensor([0.0, 1, 0.4, 4.75, 0.5, 0.3, -0.4, 0.8])
    slopes = torch.stack([torch.zeros(7), torch.linspace(-3, 1, 7)], -1)[None]
    view = View.of(camera[None, None, None], slopes)
    assert view.sees_floor[0, 0, 0, :, 0].tolist() == [0, 0, 0, 0, 1, 1, 1]  # the horizon is at −tan 0.4
    met = view.encounters(torch.ones(1, 1, 1, 1, 1, 2, 3))
    for part in (met.mirrored, met.shaded, met.before[..., None], met.to_foot):
        assert not part[:, :, :, :4].any()
        assert part[:, :, :, 4:].abs().amax(-1).all()
    assert met.passing.all()
    assert view.floor.isfinite().all()
    assert view.floor.abs().max() < 50


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_lines_of_sight_go_through_the_middles_of_cells(height: int, width: int) -> None:
    sight = lines_of_sight(height, width, torch.zeros(1))
    step = 2 / min(height, width)
    assert sight.shape == (height, width, 2)
    assert torch.allclose(
        sight[0, 0],
        torch.tensor([step / 2 - width / min(height, width), step / 2 - height / min(height, width)]),
    )
    assert torch.allclose(sight[:, 1:] - sight[:, :-1], torch.tensor([step, 0.0]), atol=1e-6)
    assert torch.allclose(sight[1:] - sight[:-1], torch.tensor([0.0, step]), atol=1e-6)

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tenku.checkpoint import load_model, save_model
from tenku.pipeline.phyworld import (
    BallReader,
    PhyWorldModel,
    ball_tracks,
    plan_of,
    sights,
    velocities_of,
)
from tenku.recipes.phyworld import phyworld
from tenku.timeline import Tracks
from tenku.vae import VideoAutoencoder, from_pixels
from tenku.worlds.phyworld import KNOWN_FRAMES, NUM_FRAMES, Law, Motions, draw, simulate


def fitted(law: Law, motions: Motions) -> tuple[VideoAutoencoder, BallReader]:
    vae = VideoAutoencoder(phyworld(law).vae)
    vae.initialise_from_pca(from_pixels(draw(motions.positions[:, :1], motions.radii, 64)), 0.0)
    vae.eval().requires_grad_(False)
    latents = vae.encode(from_pixels(draw(motions.positions[:, :1], motions.radii, 64)))[:, :, 0]
    places, radii = torch.from_numpy(motions.positions[:, 0]), torch.from_numpy(motions.radii)
    return vae, BallReader.fit(latents, places, radii)


@pytest.mark.parametrize("law", ["parabola", "collision"])
def test_places_are_read_to_a_hundredth_of_a_pixel_even_of_strange_balls(law: Law) -> None:
    vae, reader = fitted(law, simulate(law, "id", range(400)))
    strange = simulate(law, "ood", range(90_000, 90_040))
    centres, radii = reader(vae.encode(from_pixels(draw(strange.positions[:, :3], strange.radii, 64))))
    error = centres.transpose(1, 2) - torch.from_numpy(strange.positions[:, :3])
    assert error.abs().mean() < 0.1 * 10 / 64 / 10  # a hundredth of a pixel
    assert (radii - torch.from_numpy(strange.radii)[:, :, None]).abs().mean() < 1e-3


def test_a_reader_is_kept_as_it_is() -> None:
    _, reader = fitted("parabola", simulate("parabola", "id", range(200)))
    again = BallReader.from_facts(reader.to_facts())
    assert torch.equal(again.weights, reader.weights)
    assert torch.equal(again.biases, reader.biases)


def test_plans_are_changes_of_velocity_and_nothing_in_known_frames() -> None:
    velocities, start = torch.randn(2, NUM_FRAMES, 2, 2), torch.randn(2, 2, 2)
    plan = plan_of(velocities, start)
    assert plan.shape == (2, 2, NUM_FRAMES, 2, 1)
    assert not plan[:, :, :KNOWN_FRAMES].any()
    assert velocities_of(plan, start)[:, KNOWN_FRAMES:] == pytest.approx(
        velocities[:, KNOWN_FRAMES:], abs=1e-5
    )


def test_what_balls_see_says_neither_where_they_are_nor_how_the_frame_moves() -> None:
    centres = torch.tensor([[[2.0, 5.0], [8.0, 5.0]]])
    velocities, radii = torch.tensor([[[2.0, 0.0], [-1.0, 0.0]]]), torch.tensor([[0.8, 1.2]])
    seconds = torch.arange(5) * 0.5
    seen = sights(centres, velocities, radii, seconds)
    moved = sights(centres + 1.5, velocities + torch.tensor([0.7, -0.3]), radii, seconds)
    assert moved == pytest.approx(seen, abs=1e-5)
    gap = seen[0, -1, :, 0, 0] * 10
    assert gap == pytest.approx(6 - 2.0 - 3.0 * seconds, abs=1e-5)


def test_tracks_of_balls_lie_where_they_are() -> None:
    tracks = ball_tracks(torch.tensor([[[[7.5, 2.5]]]]), torch.tensor([[1.0]]))
    assert isinstance(tracks, Tracks)
    assert tracks.boxes[0, 0, 0].tolist() == pytest.approx([0.5, 0.5, 0.4, 0.4, 0.0])


@pytest.fixture(params=["tracks", "latents"])
def model(request: pytest.FixtureRequest, randomised: Callable[[nn.Module], nn.Module]) -> PhyWorldModel:
    """A model of collisions whose weights are random, in both ways."""
    from tenku.checkpoint import Model
    from tenku.denoiser import Denoiser
    from tenku.text import TextEncoder, TextEncoderConfig

    recipe = phyworld("collision", request.param)
    vae, reader = fitted("collision", simulate("collision", "id", range(200)))
    text = TextEncoder(
        TextEncoderConfig(vocabulary=("collision",), hidden_size=64, depth=1, num_heads=1, num_registers=1)
    )
    config = replace(recipe.denoiser, hidden_size=32, num_heads=1, depth=1)
    planner = None if recipe.planner is None else randomised(Denoiser(recipe.planner))
    networks = Model(vae, text.eval(), planner, randomised(Denoiser(config)), recipe.sampling)  # type: ignore[arg-type]
    tracks = reader if request.param == "tracks" else None
    facts = {"law": "collision", "way": request.param, "reader": tracks and tracks.to_facts()}
    return PhyWorldModel(replace(networks, training={"phyworld": facts}), "collision", tracks, facts)


def test_known_frames_come_out_as_they_went_in(model: PhyWorldModel) -> None:
    motions = simulate("collision", "id", range(3))
    known = draw(motions.positions[:, :KNOWN_FRAMES], motions.radii, 64)
    made = model.go_on(known)
    assert made.shape == (3, NUM_FRAMES, 64, 64, 3)
    assert np.array_equal(made[:, :KNOWN_FRAMES], known)
    assert np.array_equal(made, model.go_on(known))
    alone = model.go_on(known[1:2])
    assert np.abs(alone[0].astype(int) - made[1]).max() <= 1  # clips of a batch know nothing of each other


def test_a_saved_model_goes_on_alike(model: PhyWorldModel, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("model")
    save_model(folder, model.model, torch.float32)
    again = PhyWorldModel.of(load_model(folder))
    assert again is not None
    motions = simulate("collision", "ood", range(2))
    known = draw(motions.positions[:, :KNOWN_FRAMES], motions.radii, 64)
    assert np.array_equal(again.go_on(known), model.go_on(known))


def test_other_models_know_nothing_of_it() -> None:
    assert PhyWorldModel.of(load_model("embedded")) is None

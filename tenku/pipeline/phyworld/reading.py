"""Balls found in latents, by what is linear in them."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tenku.worlds.phyworld import WORLD_SIZE


@dataclass(frozen=True, slots=True)
class BallReader:
    """Areas and centres of balls as linear functions of latents, one of each for every position of the grid.

    `weights` (n 3 c) and `biases` (n 3) give, of the latents at a position, how much of the position a ball
    covers, and the first moments of that to the right and up, in units of a position.
    """

    weights: Tensor
    biases: Tensor

    @classmethod
    def fit(cls, latents: Tensor, centres: Tensor, radii: Tensor) -> "BallReader":
        """The best one, by least squares, for normalised latents (b c h w) of balls that lie whole in the
        picture, with centres (b n 2), y up, and radii (b n) in world units."""
        grid = latents.double()
        b, _, h, w = grid.shape
        unit = WORLD_SIZE / h
        area = math.pi * (radii.double() / unit).square()  # b n, in positions
        columns, rows = _places(h, w)
        one = torch.full((b, 1), float(h * w), dtype=torch.double)
        weights, biases = [], []
        total = torch.cat([grid.sum((2, 3)), one], 1)
        for ball in range(radii.shape[1]):
            cover = torch.linalg.lstsq(total, area[:, ball]).solution
            covered = torch.einsum("bchw,c->bhw", grid, cover[:-1]) + cover[-1]
            fitted = [cover]
            for axis, places in enumerate((columns, rows)):
                moment = area[:, ball] * centres[:, ball, axis].double() / unit
                rest = moment - (covered * places).sum((1, 2))
                fitted.append(torch.linalg.lstsq(total, rest).solution)
            weights.append(torch.stack([part[:-1] for part in fitted]))
            biases.append(torch.stack([part[-1] for part in fitted]))
        return cls(torch.stack(weights).float(), torch.stack(biases).float())

    def __call__(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Centres (b n t 2), y up, and radii (b n t), in world units, of latents (b c t h w)."""
        found = torch.einsum("bcthw,nkc->bnkthw", latents.double(), self.weights.double())
        found = found + self.biases.double()[:, :, None, None, None]
        h, w = latents.shape[3:]
        unit = WORLD_SIZE / h
        covered, *moments = found.unbind(2)
        area = covered.sum((3, 4)).clamp_min(1e-3)
        sums = [
            (covered * places + moment).sum((3, 4))
            for places, moment in zip(_places(h, w), moments, strict=True)
        ]
        centres = torch.stack(sums, -1) / area[..., None] * unit
        return centres.float(), ((area / math.pi).sqrt() * unit).float()

    def to_facts(self) -> dict[str, Any]:
        """For a configuration file."""
        return {"weights": self.weights.tolist(), "biases": self.biases.tolist()}

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> "BallReader":
        """The inverse of `to_facts`."""
        return cls(torch.tensor(facts["weights"]), torch.tensor(facts["biases"]))


def _places(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Middles of positions (h w), to the right and up, in positions from the lower left corner."""
    columns = (torch.arange(width) + 0.5).double().expand(height, width)
    rows = (height - torch.arange(height) - 0.5).double()[:, None].expand(height, width)
    return columns, rows

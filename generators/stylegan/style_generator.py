"""The spaces z, w and w+ that all StyleGAN generators share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.base import Generator, State
from generators.errors import ClassError
from generators.latents import choose_labels, sample_normal


class StyleGenerator(Generator):
    """Base class of generators with a mapping network from z (and class) to w, and ``num_ws`` places where w is read.

    Attributes:
        charts: the latent spaces, from narrow to wide.
        mapping: (z, class or None) -> w (N, w_dim); its buffer ``w_avg`` (w_dim,) is the mean of w. None where there is
            only a synthesis network.
        num_ws: the number of vectors in w+.
    """

    charts = ("z", "w", "w+")  # from the narrow to the wide
    mapping: nn.Module | None
    num_ws: int

    def sample(self, n, *, truncation=1.0, classes=None, generator=None):
        """Sample "z" and "class"; with a truncation other than 1, "w" interpolated towards its mean.

        w' = w_avg + truncation (w - w_avg)    (Karras et al. 2019, appendix B)
        """
        w_avg = self.mapping.w_avg
        latents = {"z": sample_normal(n, self.info.latents[0].shape[0], 1.0, generator).to(w_avg)}
        if self.info.classes:
            latents["class"] = self.embed(choose_labels(n, classes, len(self.info.classes), generator))
        elif classes is not None:
            raise ClassError("got classes, but this network has none; leave them out")
        return latents if truncation == 1 else {"w": torch.lerp(w_avg, self._to_w(latents), truncation)}

    def embed(self, labels):
        return self.mapping.embed_classes(labels.to(self.device))

    def _to_w(self, latents: dict[str, Tensor]) -> Tensor:
        """Return w (N, w_dim) of the latents."""
        if "w" in latents:
            return latents["w"]
        return self.mapping(latents["z"], latents["class"] if self.info.classes else None)

    @torch.no_grad()
    def mean_of_w(self, rows: int = 10_000) -> Tensor:
        """Return the mean of w (w_dim,) over samples from seed 0, for networks whose training left no ``w_avg``."""
        return self._to_w(self.sample(rows, generator=torch.Generator().manual_seed(0))).mean(0)

    def w_plus(self, latents: dict[str, Tensor]) -> Tensor:
        """Return w+ (N, num_ws, w_dim) of the widest space given: w+, w or z."""
        if "w+" in latents:
            return latents["w+"]
        return self._to_w(latents)[:, None].expand(-1, self.num_ws, -1)

    def forward(self, latents):
        return super().forward(self._map_once(latents))

    def _map_once(self, latents: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the latents with w+ (N, num_ws, w_dim), so that the mapping network runs once, not in each block."""
        return latents | {"w+": self.w_plus(latents)} if latents.keys() & {"w", "z"} else latents

    def draw(self, latents, resolution):
        """Return averages of the picture over squares of pixels, (N, 3, r, r).

        The last blocks work on averages of their maps, all of them with their styles and noise: an approximation,
        because the differences within a square are left out. Networks with coarser ``resolutions`` define
        ``_run_block`` and ``_coarse_picture``; their blocks have the sides ``config.sides``.
        """
        if resolution not in self.resolutions[:-1]:
            return super().draw(latents, resolution)
        latents = self._map_once(latents)
        state, first = self.start(latents)
        side = max(resolution, state.hidden.shape[-1])  # a feature map is not averaged before it enters
        halvings = lambda k: max(0, (self.config.sides[k] // side).bit_length() - 1)  # noqa: E731
        state = self.fold(lambda k, state: self._run_block(k, state, latents, halvings(k)), state, first)
        picture = self._coarse_picture(state)
        return picture if side == resolution else F.avg_pool2d(picture, side // resolution)

    def _run_block(self, k: int, state: State, latents: dict[str, Tensor], halvings: int = 0) -> State:
        """Apply block k to a state that is averaged ``halvings`` times over squares of two pixels."""
        raise NotImplementedError

    def _coarse_picture(self, state: State) -> Tensor:
        """Return the picture of the averages that leave the last block."""
        return state.hidden

    def _expand_constant(self, constant: Tensor, latents: dict[str, Tensor]) -> State:
        """Return the state of a learned constant (C, h, w), once for each row."""
        rows = len(next(latents[name] for name in reversed(self.charts) if name in latents))
        return State(constant.expand(rows, -1, -1, -1).contiguous(memory_format=torch.channels_last))

    def convert(self, latents, chart):
        if chart.startswith("feature@"):
            return super().convert(latents, chart)
        given = next((name for name in reversed(self.charts) if name in latents), None)
        if chart not in self.charts or given is None or self.charts.index(chart) <= self.charts.index(given):
            names = ", ".join(name for name in self.charts if self.mapping is not None or name != "z")
            raise ValueError(
                f"got chart {chart!r} for {given}; {self.info.architecture} has {names} and feature@0 to "
                f"feature@{self.depth}, from the narrow to the wide"
            )
        rest = {name: value for name, value in latents.items() if name not in {*self.charts, "class"}}
        return rest | {chart: self._to_chart(latents, chart)}

    def _to_chart(self, latents: dict[str, Tensor], chart: str) -> Tensor:
        return self._to_w(latents) if chart == "w" else self.w_plus(latents).clone()

"""The distribution of mapped latents (w): mean, deviation, principal components, and Gaussians.

Statistics are computed when first used, and stored on disk under the sha256 of the weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from generators.base import Generator
from generators.caching.cache_folder import cache_folder
from generators.caching.disk_cache import load_or_compute
from generators.checkpoints.reading.read import read_checkpoint
from generators.errors import WeightsError
from generators.progress import report
from generators.statistics.gaussians import SLOPE, CorrelatedGaussian, Gaussian
from generators.statistics.moments import Moments, principal_axes

# Latents depend on the size of a chunk: with another size, the same seed draws other latents.
CHUNK = 4096
W_DRAWS = 10_000  # as in the projector of StyleGAN2 (Karras et al. 2020, appendix D)
GAUSSIAN_DRAWS = 1_000_000  # as in PULSE's code
CORRELATED_DRAWS = 100_000  # the covariance of 512 entries is known to 0.3 % then
GAUSSIAN_FILE = "gaussian_fit.pt"


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of w, by decreasing standard deviation.

    Attributes:
        mean: (w_dim,) float32.
        directions: (k, w_dim) float32, orthonormal.
        std: (k,) float32.
    """

    mean: Tensor
    directions: Tensor
    std: Tensor

    def __repr__(self) -> str:
        return f"Components: {len(self.std)} principal directions of w {tuple(self.mean.shape)}"


class Statistics:
    """Statistics of the w that a generator's mapping network gives for its own latents, over all classes.

    Args:
        generator: with a latent "w".
        sha256: of the weights, the key of the disk cache; with "" nothing is stored.
        gaussian: one that came with the weights.
        seed: of the samples.
    """

    def __init__(self, generator: Generator, sha256: str, gaussian: Gaussian | None = None, *, seed: int = 0):
        self.generator, self.sha256, self.seed = generator, sha256, seed
        self._gaussian_from_file = gaussian
        (self.size,) = next(spec.shape for spec in generator.info.latents if spec.name == "w")

    def with_generator(self, generator: Generator) -> Statistics:
        """Return the same statistics for a copy of the generator."""
        return Statistics(generator, self.sha256, self._gaussian_from_file, seed=self.seed)

    @cached_property
    def mean(self) -> Tensor:
        """(w_dim,) float32: the running average of training (``w_avg``) where there is one, else ``measured_mean``."""
        for name, buffer in self.generator.named_buffers():
            if name.rpartition(".")[2] == "w_avg" and buffer.shape == (self.size,):
                return buffer.detach().float().cpu()
        return self.measured_mean

    @property
    def measured_mean(self) -> Tensor:
        """(w_dim,) float32, over 10,000 samples."""
        return self._w["mean"]

    @property
    def std(self) -> Tensor:
        """(w_dim,) float32, unbiased, over 10,000 samples, about their own mean."""
        return self._w["std"]

    @cached_property
    def gaussian(self) -> Gaussian:
        """PULSE's Gaussian: the one that came with the weights, else measured over 1,000,000 samples.

        Measuring takes a mapping network of 8 layers of 512 about a minute on one core, once.
        """
        if self._gaussian_from_file is not None:
            return self._gaussian_from_file
        found = self._load_or_measure("gaussian", GAUSSIAN_DRAWS, lambda w: F.leaky_relu(w, 1 / SLOPE), products=False)
        return Gaussian(found["mean"], found["std"])

    @cached_property
    def correlated_gaussian(self) -> CorrelatedGaussian:
        """The Gaussian with all correlations, over 100,000 samples."""
        found = self._load_or_measure(
            "correlated", CORRELATED_DRAWS, lambda w: F.leaky_relu(w, 1 / SLOPE), products=True
        )
        return CorrelatedGaussian.of_covariance(found["mean"], found["covariance"])

    @cached_property
    def components(self) -> Components:
        """All w_dim principal components (Härkönen et al. 2020), over 10,000 samples."""
        std, directions = principal_axes(self._w["covariance"])
        return Components(self._w["mean"], directions.float(), std.float())

    @cached_property
    def _w(self) -> dict[str, Tensor]:
        return self._load_or_measure("w", W_DRAWS, lambda w: w, products=True)

    def _load_or_measure(self, kind: str, draws: int, change, products: bool) -> dict[str, Tensor]:
        if not self.sha256:
            return self._measure(draws, change, products)
        path = cache_folder() / "statistics" / f"{self.sha256}-{kind}-{draws}-{self.seed}.safetensors"
        shapes = {"mean": (self.size,), "std": (self.size,)}
        shapes |= {"covariance": (self.size, self.size)} if products else {}

        def fits(found: dict[str, Tensor]) -> bool:
            wide = all(value.dtype.itemsize >= 4 for value in found.values())
            return wide and {name: tuple(value.shape) for name, value in found.items()} == shapes

        return load_or_compute(path, fits, lambda: self._measure(draws, change, products))

    def _measure(self, draws: int, change, products: bool) -> dict[str, Tensor]:
        moments = Moments(self.size, products)
        for number, w in enumerate(self._sample_w(draws), 1):
            moments.add(change(w))
            report("measuring the distribution of w, stored for later", min(number * CHUNK, draws), draws)
        found = {"mean": moments.mean.float(), "std": moments.std.float()}
        return found | {"covariance": moments.covariance} if products else found

    @torch.no_grad()
    def _sample_w(self, count: int) -> Iterator[Tensor]:
        """Yield w (n, w_dim) of ``count`` latents in chunks, from one seed."""
        random = torch.Generator().manual_seed(self.seed)
        for start in range(0, count, CHUNK):
            latents = self.generator.sample(min(CHUNK, count - start), generator=random)
            if "w" not in latents:  # a synthesis network without a mapping network samples w itself
                latents = self.generator.convert(latents, "w")
            yield latents["w"].float()

    def __repr__(self) -> str:
        return f"Statistics of w ({self.size},) of {self.generator.info.architecture}, seed {self.seed}"


def make_statistics(generator: Generator, sha256: str, beside: Path | None = None) -> Statistics | None:
    """Return the statistics of a network's w, or None for a network without w.

    Args:
        generator: the network.
        sha256: of its weights.
        beside: the folder of the weights, where ``gaussian_fit.pt`` may lie.

    Raises:
        WeightsError: that file cannot be used.
    """
    if not any(spec.name == "w" for spec in generator.info.latents):
        return None
    found = Statistics(generator, sha256)
    if beside is not None and (beside / GAUSSIAN_FILE).is_file():
        return Statistics(generator, sha256, read_gaussian(beside / GAUSSIAN_FILE, found.size))
    return found


def read_gaussian(path: Path, size: int) -> Gaussian:
    """Read the file that PULSE's code writes: {"mean", "std"}, each (w_dim,).

    Raises:
        WeightsError: it holds something else.
    """
    tensors = read_checkpoint(path).parts["network"].tensors
    shapes = {name: tuple(value.shape) for name, value in tensors.items()}
    if shapes != {"mean": (size,), "std": (size,)}:
        raise WeightsError(
            f"{path}: got {shapes}, expected mean and std of ({size},); remove the file, or get it again"
        )
    mean, std = tensors["mean"].float(), tensors["std"].float()
    if not mean.isfinite().all() or not std.isfinite().all() or std.min() <= 0:
        raise WeightsError(
            f"{path}: its mean and std are not finite, or std is not positive; remove the file, or get it again"
        )
    return Gaussian(mean, std)

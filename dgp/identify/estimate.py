"""Unknown parameters of a degradation, read off an observation before any search.

Pictures of the prior are damaged by the operator, its unknown parameters drawn from their ranges, and a small network
learns which parameters such statistics come from: simulation-based inference with learnt regression (Cranmer, Brehmer &
Louppe 2020). The network is kept on disk, so that the next picture takes no time.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from degradations import Degradation, Unknown
from dgp.identify.regression import Network, as_tensors, from_tensors, train
from dgp.identify.simulation import fingerprint, positions, simulate_statistics
from dgp.identify.sources import APART, PHOTOGRAPHS, sources
from dgp.identify.statistics import statistics
from dgp.variables.operator_parameters import Estimate
from generators import Prior
from generators.caching import folder as cache
from generators.caching.disk_cache import kept
from generators.progress import waiting

COUNT = 2000  # simulated pictures at 32 px
FEWEST = 500
PIXELS = 2**22  # of all simulated pictures together, as far as that leaves FEWEST
CALIBRATION = 0.15  # share that only says how far the network errs
STEPS = 900
METHOD = 2  # to be raised with every change of what is trained


@dataclass(frozen=True, eq=False)
class Estimator:
    """What was learnt of one operator on one prior.

    network: statistics -> positions of the unknown parameters, and logs of their deviations.
    wider (unknowns,): by which factor errors on pictures of another kind exceed those deviations.
    """

    network: Network
    wider: Tensor
    unknowns: dict[str, Unknown]

    def __call__(self, y: Tensor) -> list[dict[str, Estimate]]:
        """(N, c, h, w) in [-1, 1] -> of each row, the estimates by name."""
        mean, deviation = _split(self.network(statistics(y)))
        deviation = deviation * self.wider
        found = []
        for at, off in zip(mean.clamp(0, 1).double().tolist(), deviation.double().tolist(), strict=True):
            row = {}
            for (name, unknown), position, spread in zip(self.unknowns.items(), at, off, strict=True):
                low, high = (unknown.value(min(1.0, max(0.0, position + s * spread))) for s in (-1, 1))
                row[name] = Estimate(unknown.value(position), (high - low) / 2)
            found.append(row)
        return found

    def __repr__(self) -> str:
        return f"Estimator of {', '.join(self.unknowns)}"


def estimate(y: Tensor, operator: Degradation, prior: Prior, *, seed: int = 0) -> dict[str, Estimate]:
    """The unknown parameters of ``operator`` by name, as one observation shows them.

    Args:
        y: (1, c, h, w) in [-1, 1], as the operator makes it of an x of the prior's resolution.
        operator: built; its ``unknowns`` are looked for, all else is as it stands.
        seed: of what is simulated.

    The first call for an operator simulates and trains, ten seconds at 32 pixels; others look it up on disk.
    """
    return estimator(operator, prior, seed=seed)(y)[0] if operator.unknowns() else {}


def estimator(operator: Degradation, prior: Prior, *, seed: int = 0) -> Estimator:
    """What ``estimate`` asks, for many observations."""
    unknowns, side = operator.unknowns(), prior.generator.info.resolution
    count = max(FEWEST, min(COUNT, PIXELS // side**2))
    probe = simulate_statistics(operator, sources(prior, range(8), seed), positions(8, len(unknowns), seed), seed)

    def make() -> dict[str, Tensor]:
        at, where = positions(count, len(unknowns), seed), round(count * (1 - CALIBRATION))
        named = ", ".join(unknowns)
        with waiting(f"simulating pictures to learn {named} from"):
            seen = simulate_statistics(operator, sources(prior, range(where), seed), at[:where], seed)
            apart = simulate_statistics(
                operator, sources(prior, range(where, count), seed, 0.5, APART), at[where:], seed + 1
            )
        words = f"learning to estimate {named}, kept for the next picture"
        return _learnt(seen, at[:where], apart, at[where:], seed, words)

    name = fingerprint(probe, [*unknowns.values(), count, seed, PHOTOGRAPHS, APART, STEPS, METHOD])
    tensors = dict(kept(cache.folder() / "estimates" / f"{name}.safetensors", lambda found: "wider" in found, make))
    wider = tensors.pop("wider")
    return Estimator(from_tensors(tensors), wider, unknowns)


def _learnt(seen: Tensor, at: Tensor, apart: Tensor, where: Tensor, seed: int, words: str) -> dict[str, Tensor]:
    network = train(seen, 2 * at.shape[1], lambda out, index: _surprise(out, at[index]), STEPS, seed, words)
    mean, deviation = _split(network(apart))
    off = (mean.clamp(0, 1) - where).abs() / deviation
    # Of a normal distribution, 68 % lie within one deviation.
    return as_tensors(network) | {"wider": off.quantile(0.6827, dim=0).clamp_min(1)}


def _split(out: Tensor) -> tuple[Tensor, Tensor]:
    mean, log = out.chunk(2, 1)
    return mean, log.clamp(-6, 1).exp()


def _surprise(out: Tensor, truth: Tensor) -> Tensor:
    """The mean negative log-likelihood of normal distributions, but for a constant."""
    mean, deviation = _split(out)
    return (deviation.log() + ((truth - mean) / deviation).square() / 2).mean()

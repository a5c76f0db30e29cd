"""Estimates of the unknown parameters of a degradation from one observation, before any search.

Pictures of the prior are degraded with random values of the unknown parameters, and a small network is trained to
predict the values from statistics of the result: simulation-based inference by regression (Cranmer, Brehmer &
Louppe 2020). The network is cached on disk, so that only the first picture takes time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from degradations import Degradation, Unknown
from dgp.identify.regression import Network, as_tensors, from_tensors, train
from dgp.identify.simulation import fingerprint, positions, simulate_statistics
from dgp.identify.sources import APART, PHOTOGRAPHS, sources
from dgp.identify.statistics import statistics
from dgp.observation.estimate import Estimate
from dgp.observation.observation import Observation
from generators import Prior
from generators.caching import cache_folder, load_or_compute
from generators.progress import waiting

MAX_COUNT = 2000  # simulated pictures
MIN_COUNT = 500
MAX_PIXELS = 2**22  # of all simulated pictures together, unless there would be fewer than MIN_COUNT
CALIBRATION = 0.15  # share of the pictures that are not trained on, but measure the errors of the network
STEPS = 900
METHOD = 2  # version of the method; raise it with every change, so that cached networks are not used any more


@dataclass(frozen=True, eq=False)
class Estimator:
    """A trained estimator of the unknown parameters of one operator, for one prior.

    Attributes:
        network: statistics -> positions of the parameters in their ranges, and logs of their standard deviations.
        wider: (unknowns,), factors by which errors on photographs exceed those deviations.
        unknowns: the unknown parameters by name.
    """

    network: Network
    wider: Tensor
    unknowns: dict[str, Unknown]

    def __call__(self, y: Tensor) -> list[dict[str, Estimate]]:
        """Return the estimates by name for each row of y (N, c, h, w) in [-1, 1]."""
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


def estimate_unknowns(observation: Observation, prior: Prior, *, seed: int = 0) -> Observation:
    """Return the observation with estimates of its degradation's unknown parameters.

    The file itself may state some, such as a JPEG's quality; these are then known. The others are estimated from the
    pixels, and are the values at which the run starts.
    """
    operator = observation.degradation
    unknowns = operator.unknowns()
    if not unknowns:
        return observation
    stated = {} if observation.simulated else operator.file_metadata(observation.source.image)
    known = {name: stated[name] for name, u in unknowns.items() if name in stated and u.low <= stated[name] <= u.high}
    operator = operator.with_values(known) if known else operator
    found = estimate(observation.y, operator, prior, seed=seed)
    start = {name: one.value for name, one in found.items()}
    operator = operator.with_initial_values(start) if start else operator
    estimates = {name: Estimate(value, 0.0, "file") for name, value in known.items()} | found
    return replace(observation, degradation=operator, estimates=estimates)


def estimate(y: Tensor, operator: Degradation, prior: Prior, *, seed: int = 0) -> dict[str, Estimate]:
    """Estimate the unknown parameters of an operator from one observation.

    The first call for an operator trains a network, in about ten seconds at 32 pixels; later ones read it from disk.

    Args:
        y: (1, c, h, w) in [-1, 1], the operator's result for a picture of the prior's resolution.
        operator: built; its ``unknowns`` are estimated, other parameters are fixed.
        prior: the prior, whose pictures are used for training.
        seed: seed of the simulation and the training.

    Returns:
        The estimates by name; empty if nothing is unknown.
    """
    return estimator(operator, prior, seed=seed)(y)[0] if operator.unknowns() else {}


def estimator(operator: Degradation, prior: Prior, *, seed: int = 0) -> Estimator:
    """Return the estimator that ``estimate`` uses, for many observations; the arguments are the same."""
    unknowns, side = operator.unknowns(), prior.generator.info.resolution
    count = max(MIN_COUNT, min(MAX_COUNT, MAX_PIXELS // side**2))
    probe = simulate_statistics(operator, sources(prior, range(8), seed), positions(8, len(unknowns), seed), seed)

    def make() -> dict[str, Tensor]:
        at, where = positions(count, len(unknowns), seed), round(count * (1 - CALIBRATION))
        named = ", ".join(unknowns)
        with waiting(f"simulating pictures to estimate {named} from"):
            seen = simulate_statistics(operator, sources(prior, range(where), seed), at[:where], seed)
            pictures = sources(prior, range(where, count), seed, share=0.5, photographs=APART)
            apart = simulate_statistics(operator, pictures, at[where:], seed + 1)
        text = f"learning to estimate {named} (only once)"
        return _train((seen, at[:where]), (apart, at[where:]), seed=seed, text=text)

    name = fingerprint(probe, [*unknowns.values(), count, seed, PHOTOGRAPHS, APART, STEPS, METHOD])
    tensors = dict(
        load_or_compute(cache_folder() / "estimates" / f"{name}.safetensors", lambda found: "wider" in found, make)
    )
    wider = tensors.pop("wider")
    return Estimator(from_tensors(tensors), wider, unknowns)


def _train(
    training: tuple[Tensor, Tensor], calibration: tuple[Tensor, Tensor], *, seed: int, text: str
) -> dict[str, Tensor]:
    """Return the trained network and `wider` as tensors; the data are statistics (n, F) and positions (n, unknowns)."""
    (seen, at), (apart, where) = training, calibration

    def loss(out: Tensor, index: Tensor) -> Tensor:
        return _negative_log_likelihood(out, at[index])

    network = train(seen, 2 * at.shape[1], loss, steps=STEPS, seed=seed, text=text)
    mean, deviation = _split(network(apart))
    off = (mean.clamp(0, 1) - where).abs() / deviation
    # 68 % of a normal distribution lie within one standard deviation.
    return as_tensors(network) | {"wider": off.quantile(0.6827, dim=0).clamp_min(1)}


def _split(out: Tensor) -> tuple[Tensor, Tensor]:
    mean, log = out.chunk(2, 1)
    return mean, log.clamp(-6, 1).exp()


def _negative_log_likelihood(out: Tensor, truth: Tensor) -> Tensor:
    """Return the mean negative log-likelihood of normal distributions, up to a constant."""
    mean, deviation = _split(out)
    return (deviation.log() + ((truth - mean) / deviation).square() / 2).mean()

"""Estimates of the unknown parameters of a degradation from one observation, before any search.

Pictures of the prior are degraded with random values of the unknown parameters, and a small network is trained to
predict the values from statistics of the result: simulation-based inference by regression (Cranmer, Brehmer &
Louppe 2020). The network is cached on disk, so that only the first picture takes time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from degradations import Degradation, Unknown
from dgp.identify.photograph.estimate import estimate_in_photograph, name_units, read_photograph
from dgp.identify.regression import Network, as_tensors, from_tensors, train
from dgp.identify.simulation import fingerprint, positions, simulate_statistics
from dgp.identify.sources import APART, PHOTOGRAPHS, sources
from dgp.identify.statistics import statistics
from dgp.observation.estimate import Estimate, Expectation
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
    """Return the observation with estimates of its degradation's unknown parameters, in the photograph's own pixels.

    The file itself may state some, such as a JPEG's quality; these are then known. The others are estimated from the
    pixels: where the picture is larger than the prior's, from patches of it at its own size, and parameters that do not
    depend on the size, such as tones, from the shrunk picture. The run starts at these values.
    """
    whole = observation.whole
    unknowns = whole.unknowns()
    if not unknowns:
        return observation
    stated = {} if observation.simulated else whole.file_metadata(observation.source.image)
    known = {name: stated[name] for name, u in unknowns.items() if name in stated and u.low <= stated[name] <= u.high}
    if known:
        observation = _change_operators(observation, known, lambda operator, values: operator.with_values(values))
    found = _estimate_at_both_sizes(observation, prior, seed)
    start = {name: one.value for name, one in found.items()}
    observation = _change_operators(observation, start, lambda operator, values: operator.with_initial_values(values))
    units = name_units(whole)
    estimates = {name: Estimate(value, 0.0, "file") for name, value in known.items()} | found
    return replace(observation, estimates={name: replace(one, unit=units[name]) for name, one in estimates.items()})


def _estimate_at_both_sizes(observation: Observation, prior: Prior, seed: int) -> dict[str, Estimate]:
    """Return the estimates by name, in the unit of ``observation.whole``."""
    large, small = observation.whole.unknowns(), observation.degradation.unknowns()
    photograph = read_photograph(observation)
    if photograph is None:
        found = estimate(observation.y, observation.degradation, prior, seed=seed)
        return {name: _convert(found[name], small[name], large[name]) for name in found}
    unscaled = {name for name in small if (small[name].low, small[name].high) == (large[name].low, large[name].high)}
    found = {} if unscaled == large.keys() else estimate_in_photograph(*photograph, seed=seed)
    if unscaled:
        shrunk = estimate(observation.y, observation.degradation, prior, seed=seed)
        found |= {
            name: shrunk[name] for name in unscaled if name not in found or shrunk[name].spread < found[name].spread
        }
    return {name: found[name] for name in large}


def _convert(estimate: Estimate, seen: Unknown, wanted: Unknown) -> Estimate:
    """Convert an estimate to another scale, at which the parameter has another range."""
    if seen == wanted:
        return estimate
    expected = Expectation.from_estimate(estimate, seen)
    value, further = (wanted.value(expected.position + k * expected.spread) for k in (0, 1))
    return replace(estimate, value=value, spread=abs(further - value))


def _change_operators(
    observation: Observation, values: Mapping[str, float], change: Callable[[Degradation, dict], Degradation]
) -> Observation:
    """Change the operator at both sizes; the values are those at the photograph's size.

    Args:
        observation: the observation.
        values: of unknown parameters by name.
        change: returns an operator with values of some of its unknown parameters.
    """
    unknowns = observation.whole.unknowns()

    def change_scaled(operator: Degradation) -> Degradation:
        scaled = {
            name: unknown.value(unknowns[name].position(values[name]))
            for name, unknown in operator.unknowns().items()
            if name in values
        }
        return change(operator, scaled) if scaled else operator

    place = observation.geometry
    if place.photograph is not None:
        place = replace(place, photograph=place.photograph.with_operator(change_scaled(place.photograph.operator)))
    return replace(
        observation,
        degradation=change_scaled(observation.degradation),
        whole=change_scaled(observation.whole),
        geometry=place,
    )


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

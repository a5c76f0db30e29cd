"""A classifier of degraded pictures for one operator and one prior, trained on degraded pictures of the prior.

Every class of the prior is known with its pictures, so that simulated observations have labels (simulation-based
inference by classification, Cranmer, Brehmer & Louppe 2020). Small networks are trained, one on each description of the
pictures, their mean log-probability is calibrated on pictures that were changed more than those of the training, and
the result is cached on disk, so that only the first picture takes time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from degradations import Degradation
from dgp.classify.augmentation import Augmentation
from dgp.classify.descriptions import Description, available
from dgp.identify.regression import Network, as_tensors, from_tensors, train
from dgp.identify.simulation import fingerprint, positions, simulate
from generators import Prior, get_bank
from generators.caching import cache_folder, load_or_compute
from generators.progress import report

COUNT = 4000  # pictures of the prior
MAX_PIXELS = 2**22  # of all of these together
LEAST_PER_CLASS = 4  # pictures; with fewer, nothing is learnt
DISCRIMINATOR_PER_CLASS = 20  # pictures from which it is worth its time
CALIBRATION = 0.15  # share of the pictures that are not trained on
SMOOTHING = 0.1  # of labels
STEPS = 700
TRAINING = Augmentation()
# The calibration pictures are changed more, as real pictures differ from those of the prior.
SHIFTED = Augmentation(shift=0.2, blur=1.6, contrast=0.5, brightness=0.3, tint=0.2)
TEMPERATURES = (0.5, 8.0)
AT_ONCE = 2**19  # pixels
SEED = 0
METHOD = 1  # version of the method; raise it with every change, so that cached networks are not used any more


@dataclass(frozen=True, eq=False)
class Classifier:
    """A trained classifier of the observations of one operator.

    Attributes:
        operator: the degradation.
        side: R, pixels a side of the prior's pictures.
        descriptions: what each network sees of a picture, by name.
        networks: description -> log-probabilities of the classes, up to a constant.
        temperature: divides the mean log-probability.
    """

    operator: Degradation
    side: int
    descriptions: Mapping[str, Description]
    networks: Mapping[str, Network]
    temperature: float

    def __call__(self, y: Tensor) -> Tensor:
        """Return the probability of every class, (N, classes) float64, for observations y (N, c, h, w)."""
        lifted = self.operator.lift(y, (self.side, self.side))
        views = (lifted, lifted.flip(-1))
        seen = [{name: describe(view) for name, describe in self.descriptions.items()} for view in views]
        evidence = torch.stack([average_evidence(self.networks, one) for one in seen]).mean(0)
        return (evidence.double() / self.temperature).softmax(1)

    def __repr__(self) -> str:
        return f"Classifier by {' and '.join(self.networks)}, temperature {self.temperature:.2f}"


def average_evidence(networks: Mapping[str, Network], seen: Mapping[str, Tensor]) -> Tensor:
    """Return the mean over networks of the log-probability of each class, (n, classes), from descriptions (n, F)."""
    return torch.stack([network(seen[name]).log_softmax(1) for name, network in networks.items()]).mean(0)


def make_classifier(operator: Degradation, prior: Prior) -> Classifier:
    """Return the classifier of an operator's observations, from the cache if it was trained before.

    Args:
        operator: built for the prior's resolution; unknown parameters are drawn from their ranges.
        prior: a prior with classes.
    """
    info = prior.generator.info
    descriptions, count = plan_training(prior)
    probe = lift_simulated(operator, probe_pictures(prior, 8), SEED)
    choices = [*operator.unknowns().values(), prior.sha256, info.classes, sorted(descriptions), count]
    choices += [TRAINING, SHIFTED, SMOOTHING, STEPS, SEED, METHOD]
    path = cache_folder() / "classes" / f"{fingerprint(probe, choices)}.safetensors"

    def make() -> dict[str, Tensor]:
        return _train(operator, prior, descriptions, count)

    tensors = dict(load_or_compute(path, lambda found: "temperature" in found, make))
    temperature = float(tensors.pop("temperature"))
    parts: dict[str, dict[str, Tensor]] = {name: {} for name in descriptions}
    for name, value in tensors.items():
        description, _, parameter = name.partition("/")
        parts[description][parameter] = value
    networks = {name: from_tensors(part) for name, part in parts.items()}
    return Classifier(operator, info.resolution, descriptions, networks, temperature)


def plan_training(prior: Prior) -> tuple[dict[str, Description], int]:
    """Return the descriptions, and how many pictures of the prior are drawn for the training.

    The number is bounded by the time of drawing them; it is 0 where too few would show each class.
    """
    side, classes = prior.generator.info.resolution, len(prior.generator.info.classes)
    count = min(COUNT, MAX_PIXELS // side**2)
    if not classes or count < LEAST_PER_CLASS * classes:
        return {}, 0
    descriptions = available(prior)
    if count < DISCRIMINATOR_PER_CLASS * classes:
        descriptions.pop("discriminator", None)
    return descriptions, count


def probe_pictures(prior: Prior, count: int) -> Tensor:
    """Return pictures that identify an operator, and a prior without a sha256, (count, 3, R, R) in [-1, 1].

    Smooth noise, which costs nothing; for a prior whose file is not known, the first pictures that it draws.
    """
    side, random = prior.generator.info.resolution, torch.Generator().manual_seed(SEED)
    coarse = 2 * torch.rand(count, 3, 8, 8, generator=random) - 1
    coarse = coarse if prior.sha256 else get_bank(prior, count).pictures(slice(0, count))
    return F.interpolate(coarse, (side, side), mode="bilinear", align_corners=False)


def lift_simulated(operator: Degradation, pictures: Tensor, seed: int) -> Tensor:
    """Return lifted observations of pictures, with noise, rounding and unknown parameters from their ranges.

    Args:
        operator: the degradation.
        pictures: (n, 3, R, R) in [-1, 1].
        seed: of the noise and the parameters.

    Returns:
        (n, 3, R, R) float32.
    """
    random, unknowns = torch.Generator().manual_seed(seed), operator.unknowns()
    at = positions(len(pictures), len(unknowns), seed) if unknowns else torch.empty(len(pictures), 0)
    size = tuple(pictures.shape[-2:])
    rows = max(1, AT_ONCE // (size[0] * size[1]))
    return torch.cat(
        [
            operator.lift(simulate(operator, part, where, random), size)
            for part, where in zip(pictures.split(rows), at.split(rows), strict=True)
        ]
    )


def _train(
    operator: Degradation, prior: Prior, descriptions: Mapping[str, Description], count: int
) -> dict[str, Tensor]:
    """Return the networks as tensors, ``description/parameter`` by name, and the ``temperature``."""
    bank, classes = get_bank(prior, count), len(prior.generator.info.classes)
    trained = round(count * (1 - CALIBRATION))
    seen = _describe(operator, prior, descriptions, range(trained), augment=TRAINING)
    apart = _describe(operator, prior, descriptions, range(trained, count), augment=SHIFTED)
    networks = {}
    for name in descriptions:

        def loss(out: Tensor, index: Tensor) -> Tensor:
            return F.cross_entropy(out, bank.classes[index], label_smoothing=SMOOTHING)

        text = f"learning to see the class by {name} (only once for this degradation)"
        networks[name] = train(seen[name], classes, loss, steps=STEPS, seed=SEED, text=text)
    temperature = fit_temperature(average_evidence(networks, apart), bank.classes[trained:count])
    found = {f"{name}/{key}": value for name, one in networks.items() for key, value in as_tensors(one).items()}
    return found | {"temperature": torch.tensor(temperature)}


def _describe(
    operator: Degradation, prior: Prior, descriptions: Mapping[str, Description], which: range, *, augment: Augmentation
) -> dict[str, Tensor]:
    """Return every description of changed and degraded pictures of the prior's bank, each (n, F)."""
    side, bank = prior.generator.info.resolution, get_bank(prior, which.stop)
    random = torch.Generator().manual_seed(SEED + which.start)
    found: dict[str, list[Tensor]] = {name: [] for name in descriptions}
    rows = max(1, AT_ONCE // side**2)
    for start in range(which.start, which.stop, rows):
        pictures = bank.pictures(slice(start, min(start + rows, which.stop)))
        if pictures.shape[-1] != side:
            pictures = F.interpolate(pictures, (side, side), mode="bilinear", align_corners=False)
        lifted = lift_simulated(operator, augment(pictures, random), SEED + start)
        for name, describe in descriptions.items():
            found[name].append(describe(lifted))
        report("degrading pictures of the prior to learn classes from", start + len(lifted), which.stop)
    return {name: torch.cat(parts) for name, parts in found.items()}


def fit_temperature(evidence: Tensor, classes: Tensor) -> float:
    """Return the temperature of the least cross-entropy (Guo et al. 2017, section 4.2).

    Args:
        evidence: log-probabilities up to a constant, (n, classes).
        classes: the true ones, (n,) int64.
    """
    low, high = TEMPERATURES
    candidates = torch.logspace(torch.tensor(low).log10(), torch.tensor(high).log10(), 49)
    losses = torch.stack([F.cross_entropy(evidence / one, classes) for one in candidates])
    return float(candidates[losses.argmin()])

"""Estimates of unknown parameters in the pixels of a photograph, from patches of it.

As in ``dgp.identify.estimate``, a small network is trained on simulated observations; but on scenes at the scale of
photographs, not on pictures of the prior, and each patch gives a whole density, so that patches without any evidence,
such as skies for blur, hardly count.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import torch
from torch import Tensor

from degradations import Degradation, Unknown
from dgp.identify.photograph import mixture
from dgp.identify.photograph.evidence import patch_statistics
from dgp.identify.photograph.patches import SIDE
from dgp.identify.pictures.scenes import draw_scenes
from dgp.identify.regression import Network, as_tensors, from_tensors, train
from dgp.identify.simulation import fingerprint, positions, simulate
from dgp.observation.estimate import Estimate
from generators.caching import cache_folder, load_or_compute
from generators.progress import report

BUNDLED = Path(str(files("dgp.identify.photograph") / "bundled"))
BUNDLED_SPECS = (
    "blur:sigma=auto",
    "defocus:radius=auto",
    "motion-blur:length=auto,angle=auto",
    "noise:sigma=auto",
    "poisson:photons=auto",
    "jpeg:quality=auto",
    "photo:blur=auto,yellowing=auto,fading=auto,grain=auto,scratches=0,creases=0,dust=0",
)
COUNT = 2000  # simulated patches
GROUPS, ACROSS = 40, 3  # simulated photographs for calibration, each of ACROSS x ACROSS patches
MARGIN = 16  # pixels around patches, which are cut off after the simulation, as photographs have no edges there
AT_ONCE = 100  # scenes simulated together
STEPS = 900
METHOD = 2  # version of the method; raise it with every change, so that cached networks are not used any more


@dataclass(frozen=True, eq=False)
class PatchEstimator:
    """A trained estimator of the unknown parameters of one operator from patches of a photograph.

    Attributes:
        network: statistics of a patch -> densities of the positions of the parameters in their ranges.
        wider: (unknowns,), factors by which errors on other photographs exceed the combined deviations.
        unknowns: the unknown parameters by name.
    """

    network: Network
    wider: Tensor
    unknowns: dict[str, Unknown]

    def __call__(self, patches: Tensor) -> dict[str, Estimate]:
        """Return the estimates by name from patches of one photograph, (n, c, 64, 64) in [-1, 1]."""
        mean, deviation = mixture.combine(self.network(patch_statistics(patches)))
        found = {}
        for (name, unknown), at, off in zip(
            self.unknowns.items(), mean.tolist(), (deviation * self.wider).tolist(), strict=True
        ):
            low, high = (unknown.value(min(1.0, max(0.0, at + s * off))) for s in (-1, 1))
            found[name] = Estimate(unknown.value(at), (high - low) / 2)
        return found

    def __repr__(self) -> str:
        return f"PatchEstimator of {', '.join(self.unknowns)}"


def patch_estimator(operator: Degradation, *, seed: int = 0) -> PatchEstimator:
    """Return the estimator of an operator's unknown parameters.

    Those of common operators (`BUNDLED_SPECS`) come with the package. Others are trained at the first call, and cached
    on disk.

    Args:
        operator: keeps the size of pictures, and works on pictures of any size.
        seed: seed of the simulation and the training.
    """
    unknowns = operator.unknowns()
    path = bundled_path(operator)
    if not path.exists():
        probe = _simulate(operator, draw_scenes(6, SIDE + 2 * MARGIN, seed), positions(6, len(unknowns), seed), seed)
        choices = [*unknowns.values(), COUNT, GROUPS, seed, STEPS, METHOD]
        key = fingerprint(patch_statistics(probe), choices)
        path = cache_folder() / "photograph-estimates" / f"{key}.safetensors"
    tensors = load_or_compute(path, lambda found: "wider" in found, lambda: train_estimator(operator, seed))
    tensors = {name: value.float() for name, value in tensors.items()}
    wider = tensors.pop("wider")
    return PatchEstimator(from_tensors(tensors), wider, unknowns)


def bundled_path(operator: Degradation) -> Path:
    """Return where the estimator of an operator lies if it comes with the package."""
    choices = repr([operator.spec, *operator.unknowns().values(), METHOD])
    return BUNDLED / f"estimator-{hashlib.sha256(choices.encode()).hexdigest()[:12]}.safetensors"


def train_estimator(operator: Degradation, seed: int) -> dict[str, Tensor]:
    """Return the trained network and `PatchEstimator.wider`, as tensors to be saved."""
    unknowns = operator.unknowns()
    named = ", ".join(unknowns)
    at, text = positions(COUNT, len(unknowns), seed), f"simulating photographs to estimate {named} from (only once)"
    seen = []
    for start in range(0, COUNT, AT_ONCE):
        where = at[start : start + AT_ONCE]
        scenes = draw_scenes(len(where), SIDE + 2 * MARGIN, seed + start)
        seen.append(patch_statistics(_simulate(operator, scenes, where, seed + start)))
        report(text, min(start + AT_ONCE, COUNT), COUNT)
    seen = torch.cat(seen)

    def loss(out: Tensor, index: Tensor) -> Tensor:
        return -mixture.log_density(out, at[index][..., None]).mean()

    text = f"learning to estimate {named} (only once)"
    network = train(seen, mixture.OUTPUTS * at.shape[1], loss, steps=STEPS, seed=seed, text=text)
    return as_tensors(network) | {"wider": _calibrate(operator, network, seed)}


def _simulate(operator: Degradation, scenes: Tensor, at: Tensor, seed: int) -> Tensor:
    """Return simulated observations without their margin, (n, c, s - 32, s - 32)."""
    y = simulate(operator, scenes, at, torch.Generator().manual_seed(seed))
    return y[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


def _calibrate(operator: Degradation, network: Network, seed: int) -> Tensor:
    """Return the factors by which errors on scenes of other pictures exceed the stated deviations, (unknowns,)."""
    at = positions(GROUPS, len(operator.unknowns()), seed + 1)
    off = []
    for number, where in enumerate(at):
        scene = draw_scenes(1, ACROSS * SIDE + 2 * MARGIN, seed + number, apart=True)
        y = _simulate(operator, scene, where[None], seed + number)
        patches = y.unfold(2, SIDE, SIDE).unfold(3, SIDE, SIDE).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
        mean, deviation = mixture.combine(network(patch_statistics(patches)))
        off.append((mean - where).abs() / deviation)
    # 68 % of a normal distribution lie within one standard deviation.
    return torch.stack(off).quantile(0.6827, dim=0).clamp_min(0.5)

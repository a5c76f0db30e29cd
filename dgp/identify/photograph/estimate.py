"""Estimates of unknown parameters in the pixels of a photograph."""

from __future__ import annotations

from PIL import Image

from degradations import Degradation
from dgp.identify.photograph.estimator import MARGIN, patch_estimator
from dgp.identify.photograph.patches import SIDE, choose_patches
from dgp.observation.estimate import Estimate
from dgp.observation.images import flatten
from dgp.observation.observation import Observation

Size = tuple[int, int]  # (H, W)


def read_photograph(observation: Observation) -> tuple[Image.Image, Degradation] | None:
    """Return the degraded picture at its own size and its operator, or None if the picture is not larger than y.

    None as well where the operator changes the size of pictures, or where patches do not show it.
    """
    photograph, whole = observation.geometry.photograph, observation.whole
    if photograph is None or min(photograph.picture.size) < SIDE + 2 * MARGIN:
        return None
    if photograph.size == (observation.geometry.resolution,) * 2:
        return None
    # a crop of the file does not begin at a block of JPEG
    picture = photograph.picture if observation.simulated else flatten(observation.source)[0]
    return picture, whole


def estimate_in_photograph(picture: Image.Image, operator: Degradation, *, seed: int = 0) -> dict[str, Estimate]:
    """Estimate the unknown parameters of an operator from patches of a photograph at its own size.

    The first call for an operator trains a network, in about half a minute; later ones read it from disk.

    Args:
        picture: 8-bit L or RGB.
        operator: built for the picture's size, which it keeps.
        seed: seed of the simulation and the training.

    Returns:
        The estimates by name, in pixels of the photograph where they are lengths.
    """
    size = picture.size[::-1]
    hidden = operator.uninformative(size)
    hidden = None if hidden is None else hidden[0].cpu().numpy()
    patches = choose_patches(picture, hidden)
    channels = operator.channels(3)
    if channels == 1 and patches.shape[1] == 3:
        patches = operator.convert_to_gray(patches)
    estimator = patch_estimator(operator.without_holes(), seed=seed)
    return estimator(patches.expand(-1, channels, -1, -1))


def name_units(operator: Degradation) -> dict[str, str]:
    """Return the units of the unknown parameters by name."""
    units = [link.parameter(name).unit for link in operator.operators() for name in link.unknowns()]
    return dict(zip(operator.unknowns(), units, strict=True))

"""The base class and the registry of postprocessing steps, which a recipe selects by its key `finish`."""

from __future__ import annotations

from PIL import Image
from torch import Tensor

from dgp.observation.observation import Observation
from dgp.registry import Options, Registry

POSTPROCESSES = Registry(
    "finish",
    "dgp.finishes",
    {
        "none": "dgp.postprocess.merge",
        "merge": "dgp.postprocess.merge",
        "lab-luminance": "dgp.postprocess.lab_luminance",
        "composite": "dgp.postprocess.composite",
    },
)


class Postprocess(Options):
    """A step that is applied to the generator's output before it is returned; options are fields.

    Attributes:
        kind: the name under which the class is registered.
    """

    kind: str

    def __call__(self, image: Tensor, observation: Observation) -> Tensor:
        """Return the postprocessed pictures.

        Args:
            image: (N, 3, R, R) in [-1, 1], N answers to the same observation.
            observation: the observation that they explain.

        Returns:
            (N, 3, R, R) in [-1, 1].
        """
        raise NotImplementedError

    def without_merge(self) -> Postprocess:
        """Return the same step without the part that makes the answer agree with the observation."""
        return self

    def picture(self, image: Tensor, observation: Observation, cover: Tensor | None) -> Image.Image:
        """Return one postprocessed answer as a picture of the output's own size.

        Args:
            image: (3, R, R) in [-1, 1], as `__call__` returned it.
            observation: the observation that it explains.
            cover: (1, R, R) in [0, 1], the share of each pixel that the generator's picture covers (below 1 where
                a spatial transform moved it away); None: 1 everywhere.
        """
        return observation.geometry.to_output(image)

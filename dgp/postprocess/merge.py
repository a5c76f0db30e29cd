"""The merge, which makes an answer agree with the observation, and the step that changes nothing."""

from __future__ import annotations

from dgp.postprocess.base import POSTPROCESSES, Postprocess


@POSTPROCESSES.register("none")
class Unchanged(Postprocess):
    """The generator's picture without any change."""

    kind: str = "none"

    def __call__(self, image, observation):
        return image

    def picture(self, image, observation, cover):
        return observation.geometry.to_output(image, merge=False)


@POSTPROCESSES.register("merge")
class Merge(Postprocess):
    """The smallest change that makes the picture agree with the observation (``Degradation.merge``)."""

    kind: str = "merge"

    def without_merge(self):
        return Unchanged()

    def __call__(self, image, observation):
        return observation.degradation.merge(image, observation.y)

"""The answer where the object is, and the observation, as it was, around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from PIL import Image

from dgp.observation.geometry import whole_box
from dgp.postprocess.postprocess import FINISHES, Finish

if TYPE_CHECKING:
    from torch import Tensor

    from dgp.observation.observation import Observation


@FINISHES.register("composite")
class Composite(Finish):
    """The answer inside the object, which the observation's weight marks (without one: inside the square that the
    generator's picture covers, see ``dgp.variables.spatial_transform``), the observation around it. Its pixels stay bit for bit, at the
    input's own size where the answer has that size; a hole is filled wherever it is.

    blend: "soft" mixes the two by the weight, as an alpha matte; "hard" takes the answer where the weight exceeds half
    of the largest.
    merge: whether the answer is first made to agree with what was observed. Where nothing is lost that would be the
    observation itself, and the generator's picture is taken as it is.
    """

    kind: str = "composite"
    blend: Literal["soft", "hard"] = "soft"
    merge: bool = True

    def unmerged(self):
        return self.model_copy(update={"merge": False})

    def __call__(self, image, observation):
        degradation = observation.degradation
        answer = degradation.merge(image, observation.y) if self._merges(image, observation) else image
        share = (
            image.new_ones(1, 1, 1, 1) if observation.pixel_weight is None else self._blended(observation.pixel_weight)
        )
        hidden = degradation.unobserved(tuple(image.shape[-2:]))
        if hidden is not None:
            share = torch.maximum(share, hidden[:, None].to(share))
        return share * answer + (1 - share) * observation.backdrop

    def picture(self, image, observation, cover):
        place = observation.geometry
        if place.seen is None:
            return place.restore(image)
        seen = place.seen if place.missing is not None else observation.picture
        around = np.asarray(seen.convert("RGB"), np.float32)
        if self._merges(image[None], observation):
            answer = np.asarray(place.restore(image), np.float32)
        else:
            answer = np.rint((place.laid(image, around / 127.5 - 1) + 1) * 127.5)
        share = self._share_at_size(observation, cover)
        mixed = np.where(share > 0, np.rint(around + share * (answer - around)), around)
        return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))

    def _merges(self, image: Tensor, observation: Observation) -> bool:
        return self.merge and not torch.equal(observation.degradation(image), image)

    def _blended(self, share: Tensor) -> Tensor:
        return (share > 0.5).to(share) if self.blend == "hard" else share

    def _share_at_size(self, observation: Observation, cover: Tensor | None) -> np.ndarray:
        """(height, width, 1) of the answer's size: how much of each pixel is the answer's."""
        place = observation.geometry
        nothing = np.zeros((*place.out[::-1], 1), np.float32)
        if observation.weighed is not None:
            extent = place.box if place.placed in ("crop", "framed") else whole_box(place.full)
            weight = torch.from_numpy(observation.weighed.within(extent))[..., None]
            share = self._blended(weight / weight.max()).numpy()
        elif observation.pixel_weight is not None:
            share = place.laid(self._blended(observation.pixel_weight)[0], nothing)
        else:
            share = nothing + 1
        if cover is not None:
            share = share * place.laid(cover, nothing)
        if place.missing is not None:
            share = np.where(place.missing[..., None], 1, share)
        return share.clip(0, 1)

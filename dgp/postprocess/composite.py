"""Compositing: the answer where the object is, and the unchanged observation around it."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dgp.observation.boxes import whole_box
from dgp.observation.observation import Observation
from dgp.postprocess.base import POSTPROCESSES, Postprocess


@POSTPROCESSES.register("composite")
class Composite(Postprocess):
    """The answer inside the object, and the observation around it, with its pixels kept bit for bit.

    output = share * answer + (1 - share) * observation, where share is the observation's weight map over its largest
    value; without a weight map, the square that the generator's picture covers (``dgp.variables.spatial_transform``).
    Missing pixels always have a share of 1, so that holes are filled anywhere. The output has the input's own size
    if the answer has that size.

    Attributes:
        blend: "soft" mixes the two by the weight, as an alpha matte; "hard" takes the answer where the weight exceeds
            half of its largest value.
        merge: make the answer agree with the observation first. This is skipped if the degradation changes nothing,
            because the merged answer would then be the observation itself.
    """

    kind: str = "composite"
    blend: Literal["soft", "hard"] = "soft"
    merge: bool = True

    def without_merge(self):
        return self.model_copy(update={"merge": False})

    def __call__(self, image, observation):
        degradation = observation.degradation
        answer = degradation.merge(image, observation.y) if self._needs_merge(image, observation) else image
        share = (
            image.new_ones(1, 1, 1, 1) if observation.pixel_weight is None else self._blend(observation.pixel_weight)
        )
        hidden = degradation.unobserved(tuple(image.shape[-2:]))
        if hidden is not None:
            share = torch.maximum(share, hidden[:, None].to(share))
        return share * answer + (1 - share) * observation.backdrop

    def picture(self, image, observation, cover):
        geometry = observation.geometry
        if geometry.observed is None:
            return geometry.to_output(image)
        seen = geometry.observed if geometry.missing is not None else observation.picture
        around = np.asarray(seen.convert("RGB"), np.float32)
        if self._needs_merge(image[None], observation):
            answer = np.asarray(geometry.to_output(image), np.float32)
        else:
            answer = np.rint((geometry.overlay(image, around / 127.5 - 1) + 1) * 127.5)
        share = self._share_at_output_size(observation, cover)
        mixed = np.where(share > 0, np.rint(around + share * (answer - around)), around)
        return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))

    def _needs_merge(self, image: Tensor, observation: Observation) -> bool:
        return self.merge and not torch.equal(observation.degradation(image), image)

    def _blend(self, share: Tensor) -> Tensor:
        return (share > 0.5).to(share) if self.blend == "hard" else share

    def _share_at_output_size(self, observation: Observation, cover: Tensor | None) -> np.ndarray:
        """Return the share of the answer in each pixel of the output, (height, width, 1) in [0, 1]."""
        geometry = observation.geometry
        zeros = np.zeros((*geometry.output_size[::-1], 1), np.float32)
        if observation.weighed is not None:
            extent = geometry.box if geometry.placement in ("crop", "framed") else whole_box(geometry.input_size)
            weight = torch.from_numpy(observation.weighed.crop(extent))[..., None]
            share = self._blend(weight / weight.max()).numpy()
        elif observation.pixel_weight is not None:
            share = geometry.overlay(self._blend(observation.pixel_weight)[0], zeros)
        else:
            share = zeros + 1
        if geometry.alignment is not None:
            share = share * geometry.alignment.share(whole_box(geometry.output_size))[..., None]
        if cover is not None:
            share = share * geometry.overlay(cover, zeros)
        if geometry.missing is not None:
            share = np.where(geometry.missing[..., None], 1, share)
        return share.clip(0, 1)

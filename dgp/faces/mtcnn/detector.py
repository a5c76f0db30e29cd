"""The detector of the extra ``faces``."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field

from dgp.faces.detector import DETECTORS, FaceDetector
from dgp.faces.landmarks import Face
from dgp.faces.mtcnn.cascade import Thresholds, search
from dgp.faces.mtcnn.weights import load_cascade
from generators.progress import waiting

SMALL = 256  # pixels of the shorter side to which smaller pictures are enlarged first
LARGE = 1600  # pixels of the longer side to which larger pictures are shrunk first


@DETECTORS.register("mtcnn")
class Mtcnn(FaceDetector):
    """MTCNN (Zhang et al. 2016): three small networks, whose weights come with the package ``mtcnn`` (MIT).

    Attributes:
        least: side of the smallest face over the shorter side of the picture.
        confidence: least probability of a face, in [0, 1].
    """

    kind: str = "mtcnn"
    least: float = Field(0.06, gt=0, le=1)
    confidence: float = Field(0.95, ge=0, le=1)

    @waiting("looking for faces")
    def find(self, picture):
        cascade, version = load_cascade()
        height, width = picture.shape[:2]
        scale = min(max(1.0, SMALL / min(height, width)), LARGE / max(height, width))
        x = (torch.from_numpy(np.array(picture, np.float32)).permute(2, 0, 1)[None] - 127.5) / 128
        if scale != 1:
            size = (max(1, round(height * scale)), max(1, round(width * scale)))
            x = torch.nn.functional.interpolate(x, size=size, mode="bilinear", align_corners=False, antialias=True)
        least = max(20.0, self.least * min(x.shape[-2:]))
        points, scores = search(x, cascade, least, Thresholds(accepted=self.confidence))
        ratio = np.array([width / x.shape[-1], height / x.shape[-2]])
        found = (points.double().numpy() + 0.5) * ratio - 0.5
        source = f"mtcnn {version}"
        return [Face.from_points(p, round(float(s), 4), source) for p, s in zip(found, scores, strict=True)]

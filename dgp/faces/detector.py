"""Face detectors: what they are asked, and the registry of all of them."""

from __future__ import annotations

import numpy as np

from dgp.errors import DgpError, InputError
from dgp.faces.landmarks import Face
from dgp.registry import Options, Registry

DETECTORS = Registry("face detector", "dgp.face_detectors", {"mtcnn": "dgp.faces.mtcnn.detector"})
DEFAULT = "mtcnn"


class MissingDetectorError(DgpError, ImportError):
    """A detector whose package is not installed."""

    exit_code = 2

    @classmethod
    def of(cls, package: str) -> MissingDetectorError:
        """Return the error for a package that is missing, with what to do."""
        return cls(
            f"no face detector is installed ({package} is missing): pip install 'deep-generative-prior[faces]', or "
            "give the landmarks by --landmarks FILE (in Python: landmarks)"
        )


class FaceDetector(Options):
    """Finds faces and their landmarks; options are fields.

    Attributes:
        kind: the name under which the class is registered.
    """

    kind: str

    def find(self, picture: np.ndarray) -> list[Face]:
        """Return the faces in a picture, in any order.

        Args:
            picture: (H, W, 3) uint8, RGB.

        Raises:
            MissingDetectorError: a package that it needs is not installed.
        """
        raise NotImplementedError


def find_faces(picture: np.ndarray, detector: str | FaceDetector = DEFAULT) -> list[Face]:
    """Return the faces in a picture, the largest first.

    Args:
        picture: (H, W, 3) uint8, RGB.
        detector: a detector, or the name of one.

    Raises:
        InputError: there is no such detector.
        MissingDetectorError: a package that it needs is not installed.
    """
    try:
        chosen = DETECTORS.parse(detector)
    except ValueError as error:
        raise InputError(str(error)) from None
    return sorted(chosen.find(picture), key=lambda face: -float(np.ptp(face.points, axis=0).sum()))

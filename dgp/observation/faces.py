"""The faces of an opened picture, given or found."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dgp.errors import InputError
from dgp.faces.detector import DEFAULT, FaceDetector, find_faces
from dgp.faces.landmark_files import faces_of
from dgp.faces.landmarks import Face
from dgp.observation.images import Picture, to_rgb

ALIGNMENTS = ("none", "face")


def locate_faces(source: Picture, landmarks=None, detector: str | FaceDetector = DEFAULT) -> tuple[Face, ...]:
    """Return the faces of a picture: those of the landmarks in their order, or those that are found, the largest first.

    Args:
        source: the picture.
        landmarks: a file or points (``landmark_files.faces_of``); None: a detector looks for them.
        detector: the detector, or its name.

    Raises:
        InputError: there is none, or landmarks lie outside of the picture.
        MissingDetectorError: the detector is not installed.
    """
    name = source.path and Path(source.path).name
    if landmarks is None:
        faces = find_faces(np.asarray(to_rgb(source)), detector)
        if not faces:
            raise InputError(
                f"{source.path or 'the picture'}: no face found; give its landmarks by --landmarks FILE (in Python: "
                "landmarks), or leave --align out"
            )
        return tuple(faces)
    faces = faces_of(landmarks, name)
    size = np.array(source.size)
    for face in faces:
        centre = face.points.mean(0)
        if (centre < -0.5).any() or (centre > size - 0.5).any():
            raise InputError(
                f"{face.source}: got a face around ({centre[0]:.0f}, {centre[1]:.0f}), expected pixels of the "
                f"picture's {size[0]}x{size[1]}; landmarks of another size must be scaled"
            )
    if not faces:
        raise InputError("got no landmarks, expected those of one face at least")
    return tuple(faces)

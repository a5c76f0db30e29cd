"""Files of landmarks: JSON or CSV, of one picture or of several."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from degradations.files.regular import read_regular
from dgp.errors import InputError
from dgp.faces.landmarks import Face
from dgp.files import parse_json

MAX_BYTES = 2**22
EXPECTED = (
    'expected JSON such as {"photo.png": [[[x, y], ... 5 points], ... faces]}, or CSV with a line for each face: '
    "x1,y1,...,x5,y5, after the picture's name if there are several"
)


def read_landmarks(path: str | os.PathLike, picture: str | None = None) -> list[Face]:
    """Return the faces of a picture from a file of landmarks.

    JSON: one face (a list of points), a list of faces, {"faces": [...]}, {"pictures": {name: faces}}, or
    {name: faces}; a face is a list of points [x, y], or an object with such "landmarks". CSV: a line of 10 or 136
    numbers for each face, after the picture's name where the file has several pictures; a heading is skipped.

    Args:
        path: the file.
        picture: name of the picture's file, without folders; None where it has none.

    Raises:
        InputError: the file cannot be read, or has no face for the picture.
    """
    path = Path(path)
    try:
        data = read_regular(path, MAX_BYTES)
    except OSError as error:
        raise InputError(f"{path}: cannot be read as landmarks: {error.strerror or error}; {EXPECTED}") from error
    text = data.decode("utf-8", "replace").lstrip("\ufeff").strip()
    if text[:1] in ("[", "{"):
        try:
            found = parse_json(text)
        except ValueError as error:
            raise InputError(f"{path}: not valid JSON ({error}); {EXPECTED}") from error
        faces = _faces_of_json(found, picture, path)
    else:
        faces = _faces_of_csv(text, picture, path)
    if not faces:
        raise InputError(f"{path}: got no face, expected one at least; {EXPECTED}")
    return faces


def write_landmarks(faces: Mapping[str, Sequence[Face]]) -> bytes:
    """Return the contents of a JSON file that ``read_landmarks`` reads: name of the picture -> its faces."""
    pictures = {name: [face.record() for face in found] for name, found in faces.items()}
    return json.dumps({"pictures": pictures}, indent=1).encode()


def faces_of(landmarks, picture: str | None) -> list[Face]:
    """Return faces from a file or from an array.

    Args:
        landmarks: a path; or points, (5 or 68, 2), or (faces, 5 or 68, 2).
        picture: name of the picture's file, or None.

    Raises:
        InputError: they cannot be read.
    """
    if isinstance(landmarks, str | os.PathLike):
        return read_landmarks(landmarks, picture)
    if isinstance(landmarks, Face):
        return [landmarks]
    listed = list(landmarks)
    if listed and all(isinstance(one, Face) for one in listed):
        return listed
    single = np.ndim(listed[0]) == 1 if listed else False
    return [Face.from_points(points) for points in ([listed] if single else listed)]


def _faces_of_json(found, picture: str | None, path: Path) -> list[Face]:
    if isinstance(found, dict) and isinstance(found.get("pictures"), dict):
        found = found["pictures"]
    if isinstance(found, dict) and not {"faces", "landmarks"} & set(found):
        found = _choose(found, picture, path)
    if isinstance(found, dict) and "faces" in found:
        found = found["faces"]
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list):
        raise InputError(f"{path}: got {type(found).__name__}, {EXPECTED}")
    # A list of points is one face; a list of lists of points is several.
    if found and isinstance(found[0], list) and found[0] and not isinstance(found[0][0], list | dict):
        found = [found]
    return [_face_of_json(one, path) for one in found]


def _face_of_json(one, path: Path) -> Face:
    score = one.get("score") if isinstance(one, dict) else None
    if isinstance(score, bool) or not isinstance(score, int | float | None):
        raise InputError(f"{path}: got the score {score!r}, expected a number or null")
    points = one.get("landmarks") if isinstance(one, dict) else one
    try:
        return Face.from_points(points, score, str(path))
    except OverflowError as error:
        raise InputError(f"{path}: got a number out of range; {EXPECTED}") from error


def _choose(pictures: Mapping, picture: str | None, path: Path):
    """Return the entry of a picture; the only one, where the picture has no name."""
    if picture in pictures:
        return pictures[picture]
    if picture is None and len(pictures) == 1:
        return next(iter(pictures.values()))
    named = ", ".join(list(map(str, pictures))[:3]) or "nothing"
    raise InputError(f"{path}: got landmarks of {named}, expected those of {picture or 'one picture'}; add them")


def _faces_of_csv(text: str, picture: str | None, path: Path) -> list[Face]:
    try:
        lines = [[cell.strip() for cell in line] for line in csv.reader(io.StringIO(text)) if any(map(str.strip, line))]
    except csv.Error as error:
        raise InputError(f"{path}: not valid CSV ({error}); {EXPECTED}") from error
    if lines and len(lines[0]) > 1 and not _is_number(lines[0][1]):
        lines = lines[1:]  # a heading
    named = [line for line in lines if not _is_number(line[0])]
    if named:
        pictures: dict[str, list] = {}
        for name, *numbers in named:
            pictures.setdefault(name, []).append(numbers)
        lines = _choose(pictures, picture, path)
    faces = []
    for line in lines:
        if len(line) not in (10, 136) or not all(map(_is_number, line)):
            raise InputError(f"{path}: got a line of {len(line)} values; {EXPECTED}")
        faces.append(Face.from_points(np.array(line, np.float64).reshape(-1, 2), None, str(path)))
    return faces


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

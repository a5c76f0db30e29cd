"""Matrices from files and from text: numbers only, nothing in a file is run."""

from __future__ import annotations

import hashlib
import io
import re
import warnings
import zipfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from degradations.errors import SpecError
from degradations.files.pictures import FORMATS, MAX_PIXELS

WRITTEN = re.compile(r"[-+.\deE\s/]*\d\s[-+.\deE\s/]*")  # "1 2 1/2 4 2/1 2 1"
EXPECTED = 'a .npy or .npz file of numbers, or rows such as "1 2 1/2 4 2/1 2 1"'


def read_matrix(text: str, what: str, pictures: bool = False) -> tuple[Tensor, dict]:
    """A file's path, or rows of numbers parted by blanks and slashes -> (matrix (h, w) float64, its asset).

    Args:
        what: how messages name it.
        pictures: whether a grey picture, black = 0 and white = 1, will do as well.

    Returns:
        The matrix, and {"sha256", "path"}, or {} for written numbers.

    Raises:
        SpecError: one line; no such file, pickled objects, other than two dimensions, not finite.
    """
    if WRITTEN.fullmatch(text):
        return _parse_rows(text, what), {}
    try:
        content = Path(text).read_bytes()
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise SpecError(f"{what} {text}: {reason}; expected {EXPECTED}") from None
    values = (
        _read_picture(text, content, what) if pictures and not _is_numpy(content) else _read_numpy(text, content, what)
    )
    return check_matrix(values, f"{what} {text}"), {"sha256": hashlib.sha256(content).hexdigest(), "path": text}


def check_matrix(values: np.ndarray, what: str) -> Tensor:
    """(h, w) float64, or SpecError."""
    if values.dtype.kind not in "fiub" or values.ndim != 2 or not values.size:
        raise SpecError(f"{what} is {values.dtype} of shape {values.shape}; expected a matrix of real numbers")
    if not np.isfinite(values).all():
        raise SpecError(f"{what} has entries that are not finite; correct them")
    return torch.from_numpy(values.astype(np.float64))


def _parse_rows(text: str, what: str) -> Tensor:
    try:
        rows = [[float(number) for number in row.split()] for row in text.split("/")]
    except ValueError as wrong:
        raise SpecError(f"{what} {text!r}: {wrong}; expected {EXPECTED}") from None
    if len({len(row) for row in rows}) != 1:
        raise SpecError(f"{what} {text!r} has rows of {sorted({len(row) for row in rows})} numbers; make them equal")
    return check_matrix(np.array(rows), f"{what} {text!r}")


def _is_numpy(content: bytes) -> bool:
    return content[:6] == b"\x93NUMPY" or content[:4] == b"PK\x03\x04"


def _read_numpy(path: str, content: bytes, what: str) -> np.ndarray:
    if not _is_numpy(content):
        raise SpecError(f"{what} {path} is not an .npy or .npz file; expected {EXPECTED}")
    try:
        loaded = np.load(io.BytesIO(content), allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        names = loaded.files
        if len(names) != 1:
            raise SpecError(f"{what} {path} holds {len(names)} arrays ({', '.join(names[:5])}); expected one")
        return loaded[names[0]]
    except SpecError:
        raise
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, MemoryError) as error:
        reason = "it holds pickled objects" if "allow_pickle" in str(error) else str(error).split("\n")[0]
        raise SpecError(f"{what} {path} cannot be read ({reason}); expected {EXPECTED}") from None


def _read_picture(path: str, content: bytes, what: str) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picture = Image.open(io.BytesIO(content), formats=FORMATS)
            if picture.width * picture.height > MAX_PIXELS:
                raise SpecError(f"{what} {path} has {picture.width}x{picture.height} pixels; give a smaller one")
            deep = picture.mode.startswith("I")
            return np.asarray(picture if deep else picture.convert("L")) / (65535 if deep else 255)
        except SpecError:
            raise
        except Exception as error:  # decoders raise nearly anything on what is not theirs
            raise SpecError(f"{what} {path} cannot be read; expected a picture, or {EXPECTED}") from error

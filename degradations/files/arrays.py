"""Matrices from files and from text. Only numbers are read; nothing in a file is executed."""

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

WRITTEN = re.compile(r"[-+.\deE\s/]*\d\s[-+.\deE\s/]*")  # e.g. "1 2 1/2 4 2/1 2 1"
EXPECTED = 'a .npy or .npz file of numbers, or rows such as "1 2 1/2 4 2/1 2 1"'


def read_matrix(text: str, what: str, pictures: bool = False) -> tuple[Tensor, dict]:
    """Read a matrix from a file, or from rows of numbers separated by blanks and slashes.

    Args:
        text: the path of a file, or numbers such as "1 2 1/2 4 2/1 2 1".
        what: the name of the matrix in error messages.
        pictures: also accept a grey picture, with black = 0 and white = 1.

    Returns:
        The matrix (h, w) float64, and its asset {"sha256", "path"}, which is {} for written numbers.

    Raises:
        SpecError: no such file, pickled objects, other than two dimensions, or values that are not finite.
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
    """Convert an array to a (h, w) float64 tensor.

    Raises:
        SpecError: it is not a non-empty matrix of finite real numbers.
    """
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
        except Exception as error:  # decoders raise all kinds of exceptions on foreign formats
            raise SpecError(f"{what} {path} cannot be read; expected a picture, or {EXPECTED}") from error

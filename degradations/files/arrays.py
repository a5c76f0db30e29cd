"""Matrices from files and from text. Only numbers are read; nothing in a file is executed."""

from __future__ import annotations

import hashlib
import io
import math
import re
import warnings
import zipfile
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from degradations.errors import SpecError
from degradations.files.decoding import UnreadablePicture, load, open_header
from degradations.files.regular import read_regular

WRITTEN = re.compile(r"[-+.\deE\s/]*\d\s[-+.\deE\s/]*")  # e.g. "1 2 1/2 4 2/1 2 1"
LARGEST = 2**27  # entries, which take 1 GiB as float64
LARGEST_UNPACKED = 2**28  # bytes of an array in an .npz file, which may be compressed
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
        content = read_regular(text)
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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if content[:2] != b"PK":
                return _read_array(io.BytesIO(content), len(content))
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                names = archive.namelist()
                if len(names) != 1:
                    listed = ", ".join(name.removesuffix(".npy") for name in names[:5])
                    raise ValueError(f"it holds {len(names)} arrays ({listed}), expected one")
                if archive.getinfo(names[0]).file_size > max(LARGEST_UNPACKED, len(content)):
                    raise ValueError("it unpacks to more than any matrix")
                unpacked = archive.read(names[0])
            return _read_array(io.BytesIO(unpacked), len(unpacked))
    except Exception as error:  # damaged archives and headers raise errors of many types
        reason = str(error).split("\n")[0][:120] or type(error).__name__
        raise SpecError(f"{what} {path} cannot be read ({reason}); expected {EXPECTED}") from None


def _read_array(file: BinaryIO, size: int) -> np.ndarray:
    """Read an array in the format of .npy, after checking that the file is as large as its header says.

    Args:
        file: at its beginning.
        size: its number of bytes.

    Raises:
        ValueError: pickled objects, another number of bytes, or more entries than ``LARGEST``.
    """
    version = np.lib.format.read_magic(file)
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in header:
        raise ValueError(f"it is of version {version[0]}.{version[1]}, which holds no plain numbers")
    shape, _fortran, dtype = header[version](file)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects")
    count = math.prod(shape)
    if min(shape, default=0) < 0 or count * dtype.itemsize != size - file.tell() or count > LARGEST:
        raise ValueError(f"its header says {dtype} of shape {shape}, and {size - file.tell()} bytes follow")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def _read_picture(path: str, content: bytes, what: str) -> np.ndarray:
    try:
        picture = open_header(content)
        load(picture, content)
        deep = picture.mode.startswith("I")
        return np.asarray(picture if deep else picture.convert("L")) / (65535 if deep else 255)
    except Exception as error:  # modes that cannot be converted to grey raise errors of several types
        reason = f" ({error})" if isinstance(error, UnreadablePicture) else ""
        raise SpecError(f"{what} {path} cannot be read{reason}; expected a picture, or {EXPECTED}") from error

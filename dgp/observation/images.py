"""Opening pictures safely, and conversion between files, PIL images, arrays and tensors."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from degradations.files.decoding import (
    FORMATS,
    MAX_PIXELS,
    Damaged,
    TooLarge,
    UnreadablePicture,
    load,
    most_bytes,
    open_header,
    read_orientation,
    turn_upright,
)
from degradations.files.regular import read_regular
from dgp.errors import DgpError, InputError
from dgp.files import sha256_of
from dgp.observation.arrays import image_from_array

NOT_SIGNED = "a tensor without values below 0, taken to be in [-1, 1] as all tensors are; of [0, 1] pass 2 * x - 1"
BLENDED_WITH_WHITE = "transparent pixels were blended with white"
SMALLER = "scale it down first, or allow more with --max-pixels (in Python: open_picture(path, max_pixels=N))"


@dataclass(frozen=True, eq=False)
class Picture:
    """An opened picture.

    Attributes:
        image: PIL image, upright (EXIF orientation applied), in its original mode (grey, alpha, 16 bits).
        path: the file, or None.
        sha256: of the file's bytes, or of the pixels if there is no file.
        notes: sentences for the user about what was changed or left out.
    """

    image: Image.Image
    path: str | None
    sha256: str
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.image.size

    @property
    def pixels_sha256(self) -> str:
        """The sha256 of the RGB pixels, the same for a file, its PIL image and its array; names the random streams."""
        return pixels_sha256(to_rgb(self))

    def __repr__(self) -> str:
        width, height = self.size
        return f"Picture {self.path or '(from memory)'}: {width}x{height} px, mode {self.image.mode}"


def open_picture(
    source: str | os.PathLike | Image.Image | np.ndarray | Tensor | Picture, max_pixels: int = MAX_PIXELS
) -> Picture:
    """Open a picture from a path, a PIL image, a numpy array or a tensor.

    Args:
        source: one of
            a file: PNG, JPEG, WebP, BMP, TIFF, GIF or PPM;
            an array: (H, W) or (H, W, 1|3|4), uint8, uint16, bool, or float in [0, 1];
            a tensor: (1|3, H, W) or (1, 1|3, H, W), float in [-1, 1];
            a PIL image; or a Picture, which is returned unchanged.
        max_pixels: the largest number of pixels that is accepted; files may have at most 178,956,970.

    Raises:
        InputError: it is missing, damaged, empty, too large, or not a picture.
    """
    if isinstance(source, Picture):
        return source
    if isinstance(source, str | os.PathLike):
        return _from_file(Path(source), max_pixels)
    unit = isinstance(source, Tensor) and source.numel() and 0 <= float(source.min()) < float(source.max())
    if isinstance(source, Tensor):
        source = _from_tensor(source)
    elif isinstance(source, np.ndarray):
        source = image_from_array(source)
    if not isinstance(source, Image.Image):
        raise InputError(
            f"got {type(source).__name__} for a picture, expected a path, a PIL image, a numpy array or a tensor"
        )
    _check_size(source.size, "the picture", max_pixels)
    upright, notes = _turn_upright(source)
    return Picture(upright, None, pixels_sha256(upright), (*notes, NOT_SIGNED) if unit else notes)


def to_rgb(picture: Picture | Image.Image) -> Image.Image:
    """Return a picture as 8-bit RGB, transparent pixels blended with white."""
    return flatten(picture)[0].convert("RGB")


def flatten(picture: Picture | Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return a picture without transparency, and its alpha channel.

    Returns:
        The picture as 8-bit "L" or "RGB", transparent pixels blended with white, and its alpha channel as "L", or None
        if it has no transparency.
    """
    image = picture.image if isinstance(picture, Picture) else picture
    image, grey = (
        _to_8_bits(image),
        image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;"),
    )
    if not image.has_transparency_data:
        return image.convert("L" if grey else "RGB"), None
    image = image.convert("RGBA")
    alpha = image.getchannel("A")
    ground = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(ground, image).convert("L" if grey else "RGB"), alpha


def to_tensor(image: Image.Image) -> Tensor:
    """Return a picture as a tensor, (1, 1, H, W) for mode "L", else (1, 3, H, W); float32 in [-1, 1]."""
    if image.mode not in ("L", "RGB"):
        image = to_rgb(image)
    array = np.asarray(image)
    array = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    return torch.from_numpy(np.array(array, dtype=np.float32, order="C"))[None].div_(127.5).sub_(1)


def to_pil(tensor: Tensor) -> Image.Image:
    """Return a tensor as an 8-bit picture, "L" or "RGB", clipped and rounded to the nearest level.

    Args:
        tensor: (1|3, H, W) or (1, 1|3, H, W) in [-1, 1].

    Raises:
        DgpError: NaN or Infinity, which a picture could not show.
    """
    x = _squeeze_batch(tensor.detach()).to("cpu", torch.float32)
    refuse_nan(x)
    array = x.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).numpy()
    return Image.fromarray(array[0]) if len(array) == 1 else Image.fromarray(array.transpose(1, 2, 0).copy())


def refuse_nan(x: Tensor) -> None:
    """Raise DgpError for a tensor with NaN or Infinity, which a picture could not show."""
    if not torch.isfinite(x).all():
        raise DgpError("the picture holds NaN or Infinity; lower the learning rates, or use fp32")


def pixels_sha256(image: Image.Image) -> str:
    """Return the sha256 of a picture's mode, size and pixels."""
    return sha256_of(f"{image.mode} {image.size} ".encode() + image.tobytes())


def decode_picture(content: bytes, name: str, max_pixels: int = MAX_PIXELS) -> Picture:
    """Return the picture of an encoded file.

    Args:
        content: the whole file.
        name: the file's, for messages.
        max_pixels: the largest number of pixels that is accepted.

    Raises:
        InputError: it is damaged, empty, too large, or not a picture.
    """
    if not content:
        raise InputError(f"{name}: the file is empty; expected a picture")
    try:
        image = open_header(content, max_pixels)
        animated = load(image, content)
    except TooLarge as error:
        raise InputError(f"{name}: {error}; {SMALLER}") from error
    except Damaged as error:
        raise InputError(f"{name}: damaged or cut short ({error}); get the file again") from error
    except UnreadablePicture as error:
        raise InputError(f"{name}: {error}; expected one of {', '.join(FORMATS)}") from error
    upright, turned = _turn_upright(image)
    notes = ("only the first frame was used",) if animated else ()
    return Picture(upright, None, sha256_of(content), notes + turned)


def _from_file(path: Path, max_pixels: int) -> Picture:
    try:
        content = read_regular(path, most_bytes(max_pixels))
    except IsADirectoryError:
        raise InputError(f"{path}: got a folder, expected one picture; name a file in it") from None
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a picture ({', '.join(FORMATS)})") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"{path}: cannot be read: {reason}; expected a picture ({', '.join(FORMATS)})") from None
    return replace(decode_picture(content, str(path), max_pixels), path=str(path))


def _check_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    width, height = size
    if not width or not height:
        raise InputError(f"{name}: got {width}x{height} pixels, expected at least 1x1")
    if width * height > max_pixels:
        raise InputError(
            f"{name}: got {width}x{height} = {width * height / 1e6:.0f} million pixels, "
            f"expected at most {max_pixels / 1e6:.0f} million; {SMALLER}"
        )


def _turn_upright(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    notes = []
    try:
        turned = turn_upright(image)
        if read_orientation(image) not in (0, 1):
            notes.append("turned upright as its EXIF data says")
    except Damaged:  # a picture with damaged EXIF data is still usable
        turned = image.copy()
        notes.append("its EXIF data cannot be read; not turned")
    for name in ("quantization", "layer"):  # the JPEG compression settings, which copies lose
        if hasattr(image, name):
            setattr(turned, name, getattr(image, name))
    if turned.has_transparency_data:
        notes.append(BLENDED_WITH_WHITE)
    if turned.mode == "CMYK":
        notes.append("converted from CMYK without its colour profile")
    if turned.mode in ("I", "F") or turned.mode.startswith("I;"):
        notes.append(f"converted from {'floating point' if turned.mode == 'F' else '16 or 32'} to 8 bits")
    return turned, tuple(notes)


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Return 16-bit, 32-bit and float grey as "L", scaled, as Pillow would clip; LAB as RGB; other modes unchanged."""
    if not (image.mode in ("I", "F") or image.mode.startswith("I;")):
        return image.convert("RGB") if image.mode == "LAB" else image
    with np.errstate(invalid="ignore"):  # signalling NaN
        array = np.asarray(image.convert("I") if image.mode.startswith("I;") else image, dtype=np.float64)
    if not np.isfinite(array).all():
        raise InputError("the picture holds NaN or Infinity, expected numbers; repair it first")
    low, high = array.min(), array.max()
    if image.mode == "F" and low >= 0 and high <= 255:
        full = 1.0 if high <= 1 else 255.0
    elif image.mode != "F" and low >= 0 and high <= 65535:
        full = 65535.0
    else:  # the full scale is unknown, so the picture's own range is used
        array, full = array - low, max(high - low, 1e-12)
    return Image.fromarray(np.rint(array / full * 255).astype(np.uint8))


def _from_tensor(tensor: Tensor) -> Image.Image:
    x = _squeeze_batch(tensor.detach())
    if not x.is_floating_point():
        raise InputError(
            f"got a tensor of {x.dtype}, expected floats in [-1, 1]; of levels 0 to 255 pass x / 127.5 - 1"
        )
    if not torch.isfinite(x).all():
        raise InputError("got a tensor with NaN or Infinity in it, expected values in [-1, 1]; repair it first")
    if float(x.min()) < -1.001 or float(x.max()) > 1.001:
        levels = "; of levels 0 to 255 pass x / 127.5 - 1" if x.min() >= 0 else "; scale it first"
        raise InputError(
            f"got a tensor with values in [{float(x.min()):.3g}, {float(x.max()):.3g}], expected [-1, 1]{levels}"
        )
    return to_pil(x)


def _squeeze_batch(tensor: Tensor) -> Tensor:
    """Return (1|3, H, W) from that shape or from (1, 1|3, H, W)."""
    shape = tuple(tensor.shape)
    x = tensor[0] if tensor.ndim == 4 and shape[0] == 1 else tensor
    if x.ndim != 3 or x.shape[0] not in (1, 3) or not x.numel():
        hint = "; pass several pictures as a list" if tensor.ndim == 4 and shape[0] > 1 else ""
        hint = "; pass x.permute(2, 0, 1)" if x.ndim == 3 and shape[-1] in (1, 3) else hint
        raise InputError(f"got a tensor of shape {shape}, expected (1|3, H, W) or (1, 1|3, H, W){hint}")
    return x

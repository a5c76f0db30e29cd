"""The one reader of encoded pictures: photographs, masks, weight maps and kernels alike.

The format is that of the content, whatever the name says, and one of ``FORMATS``. The size that the header states is
checked before anything of it is allocated. Of an animation, the first frame is read.
"""

from __future__ import annotations

import io
import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from PIL import Image, ImageOps

# Decoders that start no other program (EPS and PDF would), read no other file, and are a part of every Pillow.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
# Of pictures that are accepted, unless the user asks for more or less. A photograph of 24 megapixels is a third of it.
MAX_PIXELS = 64_000_000
# Pillow's own bound, which is not raised: the most that a user may ask for.
MOST_PIXELS = 178_956_970
# Pillow logs what it finds wrong with a file beside raising it; without a handler, Python would print that on stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())
MOST_SCANS, SCANNED = 16, 2**30  # scans of a JPEG file, and pixels in all of its scans together, whichever allows more


class UnreadablePicture(Exception):
    """Bytes that are no picture that can be read; the message says what they are, without the name of their file."""


class TooLarge(UnreadablePicture):
    """A picture of more pixels than are accepted."""


class Damaged(UnreadablePicture):
    """A picture whose header can be read, and whose pixels cannot."""


def most_bytes(max_pixels: int) -> int:
    """Return the largest file that a picture of so many pixels may have: uncompressed, and 64 MiB of metadata."""
    return 8 * max_pixels + 2**26


def open_header(content: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read the header of an encoded picture. Its pixels are read by ``load``.

    Args:
        content: the whole file.
        max_pixels: the largest number of pixels that is accepted, at most ``MOST_PIXELS``.

    Raises:
        TooLarge: it has more pixels.
        UnreadablePicture: it is no picture of ``FORMATS``, or has no pixels.
    """
    _check_size(_webp_size(content), max_pixels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = Image.open(io.BytesIO(content), formats=FORMATS)
        except Image.DecompressionBombError:
            raise TooLarge(f"more than {max_pixels / 1e6:.0f} million pixels") from None
        except Exception as error:  # decoders raise errors of many types for foreign data
            raise UnreadablePicture(_name_format(content)) from error
    _check_size(image.size, max_pixels)
    return image


def load(image: Image.Image, content: bytes) -> bool:
    """Decode the first frame of a picture from ``open_header``.

    Args:
        image: the picture; its pixels are read into it.
        content: the whole file.

    Returns:
        Whether it has more frames.

    Raises:
        Damaged: it is damaged, cut short, or made to take long.
    """
    scans = content.count(b"\xff\xda") if image.format in ("JPEG", "MPO") else 0
    if scans > max(MOST_SCANS, SCANNED // (image.width * image.height)):
        raise Damaged(f"a JPEG of {scans} scans")
    with warnings.catch_warnings(), _without_stderr() if image.format == "TIFF" else nullcontext():
        warnings.simplefilter("ignore")
        try:
            animated = getattr(image, "is_animated", False) and image.format != "MPO"
            image.load()
        except Exception as error:
            raise Damaged(str(error).split("\n")[0] or type(error).__name__) from error
    return bool(animated)


def read_orientation(image: Image.Image) -> int:
    """Return how the pixels of a picture are turned, from 1 (upright) to 8, as its EXIF data say.

    Raises:
        Damaged: they cannot be read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return image.getexif().get(0x0112, 1)
        except Exception as error:  # damaged data raise errors of many types
            raise Damaged(f"EXIF: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from error


def turn_upright(image: Image.Image) -> Image.Image:
    """Return a loaded picture turned as its EXIF data say, in memory of its own.

    Raises:
        Damaged: they cannot be read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ImageOps.exif_transpose(image)
        except Exception as error:
            raise Damaged(f"EXIF: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from error


# Formats that users often try but that cannot be read, by the first bytes of the file, for the message.
UNREADABLE_FORMATS = (
    (b"%PDF", "a PDF"),
    (b"%!PS", "PostScript"),
    (b"8BPS", "a Photoshop file"),
    (b"<svg", "an SVG"),
    (b"PK\x03\x04", "a zip archive"),
)


def _name_format(content: bytes) -> str:
    head = content[:512]
    for magic, name in UNREADABLE_FORMATS:
        if magic in head[:64] or (magic == b"<svg" and magic in head):
            return f"got {name}"
    if head[4:8] == b"ftyp":
        return "got a HEIC, AVIF or video file"
    return "not a picture that can be read"


def _check_size(size: tuple[int, int] | None, max_pixels: int) -> None:
    if size is None:
        return
    width, height = size
    if not width or not height:
        raise UnreadablePicture(f"got {width}x{height} pixels, expected at least 1x1")
    if width * height > max_pixels:
        raise TooLarge(
            f"got {width}x{height} = {width * height / 1e6:.0f} million pixels, expected at most "
            f"{max_pixels / 1e6:.0f} million"
        )


def _webp_size(content: bytes) -> tuple[int, int] | None:
    """Return (width, height) as the header of a WebP file states it, or None for other files.

    Pillow allocates the whole canvas when it opens such a file, before the size is known to its caller. See "WebP
    Container Specification": the extended header states the canvas, else the lossless or lossy frame its own size.
    """
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP":
        return None
    kind, head = content[12:16], content[20:30]
    if kind == b"VP8X":
        return 1 + int.from_bytes(head[4:7], "little"), 1 + int.from_bytes(head[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(head[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return int.from_bytes(head[6:8], "little") & 0x3FFF, int.from_bytes(head[8:10], "little") & 0x3FFF


_STDERR = threading.Lock()  # two threads that exchange it at once would not put it back


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Discard what is written to stderr's descriptor: libtiff prints there, beside the error that Pillow raises."""
    with _STDERR:
        try:
            kept = os.dup(2)
        except OSError:  # closed
            yield
            return
        try:
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)

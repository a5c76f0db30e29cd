"""Units of work: an arm's answer for one degradation and one picture, kept as a JSON file and a PNG file."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from degradations.files.regular import read_regular
from dgp.errors import OutputError
from dgp.files import parse_json, write_bytes_atomic, write_json_atomic
from dgp.observation.figures import encode_png
from generators.text import shorten

LARGEST = 2**24  # bytes of the JSON file of a unit


def plain_name(text: str) -> str:
    """Return a file name that resembles `text`; different texts may get the same name."""
    return re.sub(r"[^\w.=@+-]+", "_", text).strip(".")[:80]


def slug(text: str) -> str:
    """Return a file name that resembles `text`, and differs for different texts."""
    plain = plain_name(text)
    if plain == text:
        return plain
    return f"{plain}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


@dataclass(frozen=True)
class Unit:
    """A unit of work.

    Attributes:
        folder: the folder of the evaluation.
        identity: everything that the answer depends on, as it is recorded in the JSON file.
    """

    folder: Path
    identity: dict

    @property
    def path(self) -> Path:
        """The JSON file."""
        own = self.identity
        return self.folder / "units" / slug(own["arm"]) / slug(own["degradation"]) / f"{slug(own['picture'])}.json"

    @property
    def picture_path(self) -> Path:
        """The PNG file."""
        return self.path.with_suffix(".png")

    def read(self) -> dict | None:
        """Return the content of the JSON file, or None if the unit is not done.

        Raises:
            OutputError: the file belongs to another evaluation, or is not one of `dgp evaluate`.
        """
        if not self.path.is_file() or not self.picture_path.is_file():
            return None
        try:
            content = parse_json(read_regular(self.path, LARGEST))
            recorded = dict(content["identity"])
        except (ValueError, KeyError, TypeError, OSError):
            raise OutputError(f"{self.path} is not a result of dgp evaluate; choose another folder with -o") from None
        different = sorted(
            key for key in self.identity.keys() | recorded.keys() if self.identity.get(key) != recorded.get(key)
        )
        if different:
            raise OutputError(
                f"{self.folder} holds results of another run ({', '.join(different)} differ in "
                f"{self.path.relative_to(self.folder)}); choose another folder with -o"
            )
        return content

    def write(self, image: Image.Image, content: dict) -> None:
        """Write the PNG file, then the JSON file, whose existence shows that the unit is complete."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot write {self.path.parent}: {error.strerror}; choose another folder with -o"
            ) from error
        write_bytes_atomic(self.picture_path, encode_png(image))
        write_json_atomic(self.path, {"schema": 1, "status": "done", "identity": self.identity, **content})

    def __repr__(self) -> str:
        return shorten(f"Unit {self.path}")

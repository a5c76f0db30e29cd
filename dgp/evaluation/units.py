"""Finished pieces of work: a JSON file for (arm, degradation, picture), with the picture beside it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from dgp.errors import OutputError
from dgp.files import write_bytes_atomic, write_json_atomic
from dgp.observation.figures import encode_png
from generators.brief import clipped


def plain_name(text: str) -> str:
    """A file name that reads like `text`; another text may have the same."""
    return re.sub(r"[^\w.=@+-]+", "_", text).strip(".")[:80]


def slug(text: str) -> str:
    """A file name that reads like `text`; two texts never share one."""
    plain = plain_name(text)
    if plain == text:
        return plain
    return f"{plain}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


@dataclass(frozen=True)
class Unit:
    """One piece of work. identity: everything that its answer depends on, as JSON."""

    folder: Path
    identity: dict

    @property
    def path(self) -> Path:
        own = self.identity
        return self.folder / "units" / slug(own["arm"]) / slug(own["degradation"]) / f"{slug(own['picture'])}.json"

    @property
    def picture_path(self) -> Path:
        return self.path.with_suffix(".png")

    def read(self) -> dict | None:
        """What was found, or None where it is to be done. OutputError: the file tells of another run."""
        if not self.path.is_file() or not self.picture_path.is_file():
            return None
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            theirs = content["identity"]
        except (ValueError, KeyError, TypeError, OSError):
            raise OutputError(f"{self.path} is not a result of dgp evaluate; choose another folder with -o") from None
        different = sorted(
            key for key in self.identity.keys() | theirs.keys() if self.identity.get(key) != theirs.get(key)
        )
        if different:
            raise OutputError(
                f"{self.folder} holds results of another run ({', '.join(different)} differ in "
                f"{self.path.relative_to(self.folder)}); choose another folder with -o"
            )
        return content

    def write(self, image: Image.Image, content: dict) -> None:
        """The picture first: the JSON file is the proof that the unit is complete."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot write {self.path.parent}: {error.strerror}; choose another folder with -o"
            ) from error
        write_bytes_atomic(self.picture_path, encode_png(image))
        write_json_atomic(self.path, {"schema": 1, "status": "done", "identity": self.identity, **content})

    def __repr__(self) -> str:
        return clipped(f"Unit {self.path}")

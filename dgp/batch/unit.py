"""One unit of a batch: a picture, its folder, and the settings of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from dgp.runs.settings import RunSettings

OWN = ("degradation", "label", "seed")  # settings that a line of a manifest may change


@dataclass(frozen=True)
class Unit:
    """A unit of a batch.

    Attributes:
        number: its place in the batch, from 1.
        picture: the file, relative to the folder in which the batch was called, or absolute.
        folder: the folder of its result, relative to the output folder.
        own: the settings that differ from those of the batch, by name.
    """

    number: int
    picture: str
    folder: str
    own: Mapping[str, Any] = field(default_factory=dict)

    def settings(self, common: RunSettings) -> RunSettings:
        """Return the settings of the unit, given those of the batch."""
        return replace(common, **self.own)

    def record(self) -> dict[str, Any]:
        """Return the unit as a JSON object, a line of units.jsonl."""
        record = {"number": self.number, "picture": self.picture, "folder": self.folder}
        return record | ({"own": dict(self.own)} if self.own else {})

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Unit:
        """Return the unit of a JSON object that ``record`` returned.

        Raises:
            ValueError: its folder leads out of the output folder, or it has other settings than a unit may have.
        """
        folder, own = PurePosixPath(record["folder"]), record.get("own", {})
        if folder.is_absolute() or ".." in folder.parts or not folder.parts or not set(own) <= set(OWN):
            raise ValueError(f"unit {record['number']} is not one that `dgp batch` writes")
        return cls(record["number"], record["picture"], str(folder), own)


@dataclass(frozen=True)
class Source:
    """A picture that was asked for.

    Attributes:
        picture: the file.
        place: the path that its folder is named after, relative to the folder, or the fixed part of the pattern, that
            it was found in.
        output: the folder that was asked for, relative to the output folder; None: it is named after ``place``.
        own: as in ``Unit``.
        where: names the place where it was asked for, in messages.
    """

    picture: str
    place: str
    output: str | None = None
    own: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""

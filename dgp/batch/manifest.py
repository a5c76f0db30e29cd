"""Manifests: JSON lines that give pictures settings of their own."""

from __future__ import annotations

import difflib
from pathlib import PurePath, PurePosixPath
from typing import Any

from pydantic import Field, StrictInt, StrictStr, ValidationError, field_validator

from dgp.batch.inputs import RESERVED, read_text
from dgp.batch.unit import Source
from dgp.errors import InputError
from dgp.files import parse_json
from dgp.registry import Options, describe_first_error

LONGEST = 4096  # characters of a value
LARGEST_SEED = 2**32 - 1


class Line(Options):
    """One line of a manifest; what it leaves out is as on the command line.

    picture: the file.
    degradation: its spec.
    mask: a picture of the hole; see ``spec``.
    class: name or number of the class, or "auto".
    seed: the seed.
    output: the folder of its result, relative to the output folder.
    """

    picture: str = Field(min_length=1, max_length=LONGEST)
    degradation: str | None = Field(None, min_length=1, max_length=LONGEST)
    mask: str | None = Field(None, min_length=1, max_length=LONGEST)
    label: StrictStr | StrictInt | None = Field(None, alias="class")
    seed: int | None = Field(None, ge=0, le=LARGEST_SEED, strict=True)
    output: str | None = Field(None, min_length=1, max_length=LONGEST)

    @field_validator("output")
    @classmethod
    def _stays_inside(cls, output):
        if output is None:
            return output
        path = PurePosixPath(output)
        parts = {*path.parts, *PurePath(output).parts}
        if path.is_absolute() or PurePath(output).is_absolute() or ".." in parts or not path.parts or "\0" in output:
            raise ValueError(f"got {output!r}, expected a relative path without '..', such as 'cats/one'")
        if set(path.parts) & set(RESERVED):
            raise ValueError(f"got {output!r}, but files are called {', '.join(RESERVED)}; choose another name")
        return str(path)

    def spec(self, common: str | None) -> str | None:
        """Return the degradation of the picture, given that of the command line.

        A mask is a hole after the other damages (``gray`` and a mask give ``gray+inpaint:mask=...``), or the only one
        where no degradation is given, or it is ``inpaint``.
        """
        import degradations

        asked = self.degradation or common
        if self.mask is None:
            return asked
        hole = degradations.Inpaint(mask=self.mask).spec
        return hole if asked in (None, "inpaint", "identity") else f"{asked}+{hole}"


def read_manifest(path: str, common: str | None) -> list[Source]:
    """Return the pictures of a manifest.

    Args:
        path: the file: a JSON object on each line (``Line``); blank lines are left out.
        common: the degradation of the command line, or None.

    Raises:
        InputError: a line is no such object; the message names the line, and suggests a key for an unknown one.
    """
    lines = enumerate(read_text(path).splitlines(), 1)
    found = [_read_line(text, f"{path}, line {number}", common) for number, text in lines if text.strip()]
    if not found:
        raise InputError(f'{path}: got a manifest without lines; expected lines such as {{"picture": "photo.png"}}')
    return found


def _read_line(text: str, where: str, common: str | None) -> Source:
    try:
        table = parse_json(text)
    except ValueError as error:
        raise InputError(f"{where}: not valid JSON ({error}); expected one object on each line") from None
    if not isinstance(table, dict):
        raise InputError(f'{where}: got {type(table).__name__}, expected an object such as {{"picture": "photo.png"}}')
    known = [info.alias or name for name, info in Line.model_fields.items()]
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key.lower(), known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected some of {', '.join(known)}"
            raise InputError(f"{where}: unknown key {key!r}; {hint}")
    try:
        line = Line.model_validate(table)
    except ValidationError as error:
        raise InputError(f"{where}: {describe_first_error(error)}") from None
    spec = line.spec(common)
    if spec is None:
        raise InputError(f"{where}: no degradation; give it on the line, or with -d")
    own: dict[str, Any] = {"degradation": spec} if spec != common else {}
    if line.label is not None:
        own["label"] = str(line.label)
    if line.seed is not None:
        own["seed"] = line.seed
    return Source(line.picture, PurePath(line.picture).name, line.output, own, where)

"""What a call asks for, as values that JSON can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from dgp.errors import InputError


@dataclass(frozen=True)
class RunSettings:
    """The settings of a run; those that `dgp restore` has as options have the same names and defaults there.

    Attributes:
        degradation: the spec; None: the command chooses the operator for each picture (`Runner.specify`).
        prior, recipe, overrides, budget, merge: the method (--prior, --recipe, --set, --budget, --merge).
        label: the class (--class).
        seed, num_solutions, fit, max_pixels, weight, align, landmarks, detector: as on the command line.
        simulate, simulate_at, truth: of a clean picture that is degraded first.
        start: the folder of an earlier result, or one with a folder for each picture.
        device: "auto", "cpu" or "cuda".
        plugins: plugin files.
        deterministic: whether to compute deterministically (`dgp.process.determinism`).
    """

    degradation: str | None
    prior: str
    recipe: str = "default"
    overrides: tuple[str, ...] = ()
    budget: int | None = None
    merge: bool = True
    label: str = "auto"
    seed: int = 0
    num_solutions: int = 1
    fit: str = "auto"
    max_pixels: int = 64_000_000
    weight: str | None = None
    align: str = "none"
    landmarks: str | None = None
    detector: str = "mtcnn"
    simulate: bool = False
    simulate_at: str = "prior"
    truth: str | None = None
    start: str | None = None
    device: str = "auto"
    plugins: tuple[str, ...] = ()
    deterministic: bool = False

    def record(self) -> dict[str, Any]:
        """Return the settings as a JSON object."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> RunSettings:
        """Return the settings of a JSON object that ``record`` returned.

        Raises:
            InputError: a field is missing or unknown.
        """
        names = {field.name for field in fields(cls)}
        if wrong := sorted(names ^ set(record)):
            raise InputError(
                f"got settings that differ from those of this version in {', '.join(wrong)}; use the version of dgp "
                "that wrote them"
            )
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in record.items()})

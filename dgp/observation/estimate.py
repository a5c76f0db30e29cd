"""Knowledge of a degradation before the run: estimates of its parameters, and candidates for the whole chain."""

from __future__ import annotations

from dataclasses import dataclass

from degradations import Unknown


@dataclass(frozen=True)
class Estimate:
    """An estimate of one unknown parameter, in the parameter's own unit.

    Attributes:
        value: mean.
        spread: standard deviation.
        source: "file" (metadata of the file) or "pixels".
        unit: of value and spread; "px" is pixels of the photograph.
    """

    value: float
    spread: float
    source: str = "pixels"
    unit: str = ""


@dataclass(frozen=True)
class Expectation:
    """A normal distribution over the position of an unknown parameter in its range.

    Attributes:
        position: mean, from 0 (the least value of the range) to 1 (the greatest), on the parameter's own scale.
        spread: standard deviation of the position.
    """

    position: float = 0.5
    spread: float = 0.0

    @classmethod
    def from_estimate(cls, estimate: Estimate, unknown: Unknown) -> Expectation:
        """Convert an estimate in the parameter's unit to a position in its range; values outside are clamped."""
        low, high = (max(unknown.low, min(unknown.high, estimate.value + s * estimate.spread)) for s in (-1, 1))
        value = max(unknown.low, min(unknown.high, estimate.value))
        spread = (unknown.position(high) - unknown.position(low)) / 2
        return cls(unknown.position(value), spread)


@dataclass(frozen=True)
class Candidate:
    """A chain of damages that may have made a picture.

    Attributes:
        spec: the degradation under which the picture would be restored; "identity" for none.
        probability: among all chains, given the picture.
        damages: names of the damages in the order in which they happened.
    """

    spec: str
    probability: float
    damages: tuple[str, ...]

    def record(self) -> dict:
        """Return the entry of a result file."""
        return {"spec": self.spec, "probability": round(self.probability, 4), "damages": list(self.damages)}

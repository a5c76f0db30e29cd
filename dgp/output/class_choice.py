"""The class of an answer, and the classes that were considered for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dgp.observation.observation import Observation

LISTED = 10  # classes that a result lists


@dataclass(frozen=True)
class Considered:
    """A class, and its probability given the observation; None where that is not known."""

    name: str
    index: int
    probability: float | None

    def record(self) -> dict:
        """Return the entry of a result file."""
        rounded = None if self.probability is None else round(self.probability, 4)
        return {"name": self.name, "index": self.index, "probability": rounded}


@dataclass(frozen=True)
class ClassChoice:
    """The class of an answer, and how it was found.

    Attributes:
        source: "given"; "classifier", the search preferred classes by their probabilities; or "search", it took all of
            them alike.
        considered: the likeliest classes, at most ten, the likeliest first; empty if no probabilities are known.
        taken: the class of the best answer.
    """

    source: str
    considered: tuple[Considered, ...]
    taken: Considered

    def record(self) -> dict:
        """Return the entry of a result file."""
        return {
            "source": self.source,
            "considered": [one.record() for one in self.considered],
            "taken": self.taken.record(),
        }

    def __str__(self) -> str:
        return describe_choice(self.record())


def choose_class(observation: Observation, names: Sequence[str], classes: Sequence[int] | None) -> ClassChoice | None:
    """Return the choice of class of a run, or None where the class of its answers is not known.

    Args:
        observation: the observation.
        names: of the prior's classes.
        classes: of the answers, the best first, or None.
    """
    if classes is None:
        return None
    probabilities, taken = observation.class_probabilities, classes[0]
    if observation.label is not None or probabilities is None:
        source = "search" if observation.label is None else "given"
        return ClassChoice(source, (), Considered(names[taken], taken, None))
    every = [Considered(names[k], k, float(probability)) for k, probability in enumerate(probabilities)]
    likeliest = sorted(every, key=lambda one: -one.probability)
    return ClassChoice("classifier", tuple(likeliest[:LISTED]), every[taken])


def describe_choice(record: Mapping) -> str:
    """Return a ``ClassChoice.record`` in a few words: "cat (0.71; dog 0.18)", with the likeliest other class."""
    taken = record["taken"]
    if taken["probability"] is None:
        return taken["name"]
    other = next((one for one in record["considered"] if one["index"] != taken["index"]), None)
    beside = "" if other is None else f"; {other['name']} {other['probability']:.2f}"
    return f"{taken['name']} ({taken['probability']:.2f}{beside})"

"""The classes that an observation may show, with their probabilities."""

from __future__ import annotations

from dataclasses import replace

from dgp.classify.classifier import make_classifier, plan_training
from dgp.classify.family import generalize_operator
from dgp.observation.observation import Observation
from generators import Prior
from generators.progress import waiting


def find_classes(observation: Observation, prior: Prior) -> Observation:
    """Return the observation with the probability of every class of the prior (``class_probabilities``).

    The first call for an operator trains a classifier, in about half a minute of one processor at 32 pixels; later ones
    read it from disk, also for other photographs of similar size, and for other holes of similar extent. An observation
    with a given class, or of a prior without classes, is returned as it is. For a prior of so many classes, at its
    resolution, that drawing a few pictures of each would take minutes, a note says so.
    """
    info = prior.generator.info
    if observation.label is not None or not info.classes:
        return observation
    if not plan_training(prior)[1]:
        note = (
            f"all {len(info.classes)} classes are searched alike, as drawing each of them would take long; give --class"
        )
        return replace(observation, notes=(*observation.notes, note))
    classifier = make_classifier(generalize_operator(observation), prior)
    with waiting("looking for the class"):
        return replace(observation, class_probabilities=classifier(observation.y)[0])

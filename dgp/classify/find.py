"""The classes that an observation may show, with their probabilities."""

from __future__ import annotations

from dataclasses import replace

from dgp.classify.classifier import make_classifier
from dgp.observation.observation import Observation
from generators import Prior
from generators.progress import waiting


def find_classes(observation: Observation, prior: Prior) -> Observation:
    """Return the observation with the probability of every class of the prior (``class_probabilities``).

    The first call for an operator trains a classifier, in about half a minute of one processor at 32 pixels; later ones
    read it from disk. An observation with a given class, or of a prior without classes, is returned as it is.
    """
    if observation.label is not None or not prior.generator.info.classes:
        return observation
    classifier = make_classifier(observation.degradation, prior)
    with waiting("looking for the class"):
        return replace(observation, class_probabilities=classifier(observation.y)[0])

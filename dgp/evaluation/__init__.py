"""Recipes side by side on clean pictures: which pictures, what is run, what it says."""

from dgp.evaluation.evaluation import Evaluation
from dgp.evaluation.source import Source

__all__ = ["Evaluation", "Source"]

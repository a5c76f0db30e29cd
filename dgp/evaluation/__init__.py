"""Evaluation: recipes compared on clean pictures that are degraded, restored and measured.

To add an arm, such as another baseline, write it in ``arms`` with the fields and methods of ``DegradedArm``, and list
it in ``Evaluation.arms``.
"""

from dgp.evaluation.evaluation import Evaluation
from dgp.evaluation.source import Source

__all__ = ["Evaluation", "Source"]

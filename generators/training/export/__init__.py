"""Export of a run as a prior: weights, model card, sample sheet, scores.

To add a score to the card, measure it in ``scores`` and pass its line to ``save.write_scores``.
"""

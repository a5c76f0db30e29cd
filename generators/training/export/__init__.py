"""From a training checkpoint to a bundled prior: weights, model card, sample sheet, scores.

To add a figure to the card, measure it in ``scores`` and print it in ``card``.
"""

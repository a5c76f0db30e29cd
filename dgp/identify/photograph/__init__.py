"""Identification of damage in a photograph at its own size, from patches.

To add a statistic, compute it in ``dgp.identify.statistics``, raise ``METHOD`` in ``estimator``, and train the bundled
network for ``-d auto`` again (``benchmarks/quality/train_photograph.py``).
"""

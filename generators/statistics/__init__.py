"""Statistics of w, computed from samples once and stored on disk.

To add a statistic, add a property to ``Statistics`` that measures it from the same samples.
"""

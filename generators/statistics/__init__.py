"""Statistics of a prior that are computed once and kept on disk: moments of w, and a bank of samples.

To add one, compute it in a stream and keep it through ``generators.caching``.
"""

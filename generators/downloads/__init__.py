"""Fetching public weights, resumable and checked by sha256.

To add a source, add its files to ``generators.model_zoo``.
"""

"""The answer: restorations, metrics, and the files of a run.

To add an entry to result.json, extend ``run_record``.
"""

"""Searches for the rows with which a run starts.

To add one, subclass ``base.Search`` or ``base.ScoringSearch``, register it by name and list it in ``base.SEARCHES``.
"""

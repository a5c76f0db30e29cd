"""Restoration of photographs at their own size, whole or part by part.

To add one, override ``restoration.RestoresDetail.undo`` or ``parts.Parts`` in the operator's own class.
"""

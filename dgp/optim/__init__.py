"""Optimisers whose state belongs to rows, learning-rate schedules, and stopping rules.

To add a schedule, write a function of t in [0, 1) and list it in ``schedules``.
"""

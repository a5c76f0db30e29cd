"""Optimizers whose state belongs to rows, L-BFGS, learning-rate schedules, and stopping rules.

To add a schedule or an optimizer, write a function and list it in ``schedules.SCHEDULES`` or ``optimizers.OPTIMIZERS``.
"""

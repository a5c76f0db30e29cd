"""One stage of an inversion, its step and its parts: evaluator, initial rows, release, best rows, early stopping.

To add a solver, write a class with the methods of ``optim.gradient.GradientDescent`` and list it in ``stage.SOLVERS``.
"""

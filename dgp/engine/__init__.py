"""One stage of an inversion and its step, and what it is made of: evaluator, initial rows, release, best rows.

To add a solver, write a class with the methods of ``optim.gradient.GradientDescent`` and list it in ``stage.SOLVERS``.
"""

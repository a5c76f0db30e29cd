"""One stage of an inversion: rendering, scoring and stepping rows.

To add another solver, write a class with the methods of ``optim.gradient`` and list it in ``stage``.
"""

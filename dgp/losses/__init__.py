"""Losses: terms on predictions and on variables, the objective that sums them, and the feature networks they use.

To add one, subclass ``terms.Term``, register it by name and list it in ``terms.TERMS`` (plugins: ``dgp.plugins``).
"""

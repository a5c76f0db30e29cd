"""The optimised variables: parametrizations of latents, transforms, operator parameters, their constraints, and rows.

To add one, subclass ``parametrizations.Parametrization`` or ``constraints.Constraint``, register it by name and list it
in the registry of its file.
"""

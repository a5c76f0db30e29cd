"""What is optimised: parametrisations of latents, transforms, operator parameters, their constraints, and rows.

To add one, subclass ``parametrizations.Parametrization`` or ``constraints.Constraint`` and register it.
"""

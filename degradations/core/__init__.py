"""The operator base class, chains, and the way from text to an operator: parameters, specs, registry.

To add something every operator needs, put a method with a working default on ``base.Degradation``.
"""

"""The operator base class, chains, and what reads an operator from text: parameters, specs, registry.

To add something every operator needs, put a method with a working default on ``base.Degradation``.
"""

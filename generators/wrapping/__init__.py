"""Anybody's ``nn.Module`` as a prior.

To add a way to split a network into groups, extend ``layer_groups``.
"""

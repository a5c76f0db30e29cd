"""Any ``nn.Module`` as a prior.

To add a way to split a network into layers or groups, extend ``layer_groups``.
"""

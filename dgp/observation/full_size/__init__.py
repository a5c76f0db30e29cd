"""The photograph at its own size: enlargement of the prior's square, merging with the photograph, the detail that is left.

To add a way of merging, override ``restore_detail`` in the operator (``degradations``); what is here calls it tile by
tile.
"""

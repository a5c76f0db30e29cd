"""The photograph at its own size: enlarging and merging the prior's square, and the detail that is left.

To add a way of merging, override ``restore_detail`` in the operator (``degradations``); what is here calls it tile by
tile.
"""

"""Files of weights: read without executing their content, recognised by the names and shapes of their tensors.

To add a layout, write a file in ``families`` and list it in ``layouts``; to let ``convert`` write a new architecture,
list it in ``native``.
"""

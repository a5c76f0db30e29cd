"""Clean pictures at the scale of photographs, from which damage at a photograph's own size is learnt.

To add a kind of picture, draw large ones as ``dead_leaves.draw_canvas`` does and add them to ``scenes.masters``, then
train the bundled network again (``benchmarks/quality/train_photograph.py``) and raise ``METHOD`` in
``photograph.estimator``.
"""

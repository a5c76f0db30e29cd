"""The layers that only MobileStyleGAN has.

To add a way to compute its separable convolutions, write it beside ``separable_conv`` and choose it in
``layers.ModulatedConv``.
"""

"""Networks whose feature maps perceptual terms compare: LPIPS' own, EfficientNet-Lite0, the prior's discriminator.

To add one, subclass ``network.FeatureNetwork`` and describe it in ``table.TRUNKS``; the order there is the order in
which recipes take what is at hand.
"""

"""The interface of layers whose parameters are scaled where they are used."""

from __future__ import annotations


class EqualisedLayer:
    """Mix-in for layers with an equalised learning rate (Karras et al. 2018, section 4.1).

    Their weights are stored at unit variance and multiplied by a constant in each forward pass.
    """

    def weight_gains(self) -> dict[str, float]:
        """Return the name of each scaled parameter and the constant that multiplies it."""
        raise NotImplementedError

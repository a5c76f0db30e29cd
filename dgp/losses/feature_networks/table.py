"""The table of feature networks: how each is found, why it may be missing, and which is taken in its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from dgp.losses.feature_networks import efficientnet, lpips
from dgp.losses.feature_networks.discriminator import DiscriminatorNetwork
from dgp.losses.feature_networks.efficientnet import EfficientNetNetwork
from dgp.losses.feature_networks.lpips import LpipsNetwork
from dgp.losses.feature_networks.network import FeatureNetwork
from dgp.losses.prediction import Prediction
from generators import Prior

NetworkName = Literal["alex", "vgg", "squeeze", "efficientnet-lite0", "discriminator"]


@dataclass(frozen=True)
class Trunk:
    """One feature network that terms can be given by name.

    Attributes:
        name: by which recipes and results call it.
        least_side: smallest picture side, in pixels.
        explain_absence: returns why it cannot be used with a prior, in a few words; None if it can.
        find: returns the network on the device of a prediction; raises ValueError where its weights are missing.
        lpips: whether it is one of LPIPS, with learned weights; only these distances are called LPIPS.
        published: the entry of ``generators.model_zoo`` with its weights and licence; "" where it has none.
    """

    name: str
    least_side: int
    explain_absence: Callable[[Prior], str | None]
    find: Callable[[Prediction], FeatureNetwork]
    lpips: bool = False
    published: str = ""


def _lpips(name: str) -> Trunk:
    side = lpips.LEAST_SIDE[name]
    return Trunk(
        f"lpips-{name}",
        side,
        lambda prior: lpips.explain_absence(name),
        lambda prediction: LpipsNetwork(lpips.load_lpips(name, str(prediction.image.device)), side),
        lpips=True,
        published=lpips.ENTRIES[name],
    )


def _explain_no_discriminator(prior: Prior) -> str | None:
    return f"the prior {prior.name!r} has no discriminator" if prior.discriminator is None else None


# In the order in which they stand in for one that is missing.
TRUNKS: dict[str, Trunk] = {
    **{name: _lpips(name) for name in lpips.ENTRIES},
    efficientnet.NAME: Trunk(
        efficientnet.NAME,
        EfficientNetNetwork.least_side,
        lambda prior: efficientnet.explain_absence(),
        lambda prediction: EfficientNetNetwork(efficientnet.load_efficientnet(str(prediction.image.device))),
        published=efficientnet.NAME,
    ),
    "discriminator": Trunk(
        "discriminator",
        DiscriminatorNetwork.least_side,
        _explain_no_discriminator,
        lambda prediction: DiscriminatorNetwork(prediction.batch),
    ),
}


def find_network(name: str, prediction: Prediction) -> FeatureNetwork:
    """Return the network of a name on the device of the prediction.

    Raises:
        ValueError: its weights are not on this machine.
    """
    return TRUNKS[name].find(prediction)


def explain_obstacle(name: str, prior: Prior) -> str | None:
    """Return why a network cannot be used with a prior on this machine, in a few words; None if it can."""
    trunk, side = TRUNKS[name], prior.generator.info.resolution
    if side < trunk.least_side:
        return f"{side} px are too few for the {name} trunk, which needs {trunk.least_side}"
    return trunk.explain_absence(prior)


def order_trunks(stated: str) -> list[str]:
    """Return the names of all networks in the order in which they are tried, the stated one first."""
    return [stated, *(name for name in TRUNKS if name != stated)]

"""Terms that look through a feature network, the trunk, and the choice of another where theirs is missing."""

from __future__ import annotations

from dgp.losses.feature_networks.table import TRUNKS, NetworkName, explain_obstacle, order_trunks
from dgp.losses.terms import Term
from generators import Prior


class TrunkTerm(Term):
    """A term that compares maps of a feature network.

    trunk: a network of LPIPS ("alex", "vgg", "squeeze"), "efficientnet-lite0", or "discriminator": the prior's. The
        formula is the same for all; only LPIPS' own networks have learned weights of channels.
    """

    trunk: NetworkName

    @property
    def least_side(self):
        return TRUNKS[self.trunk].least_side

    def with_trunk(self, name: NetworkName) -> Term:
        """Return the same term through another network."""
        return self.model_copy(update={"trunk": name})

    def takes(self, name: NetworkName) -> bool:
        """Return whether the other options of the term allow a network."""
        return True

    def choose_trunk(self, prior, asked):
        if asked is not None:
            return self.with_trunk(asked), None
        for name in filter(self.takes, order_trunks(self.trunk)):
            if explain_obstacle(name, prior) is None:
                return self.with_trunk(name), None if name == self.trunk else self._note_change(name, prior)
        return self, None

    def _note_change(self, name: NetworkName, prior: Prior) -> str:
        """Return a line on another network in the place of the stated one."""
        return (
            f"{self.name}: {TRUNKS[name].name} stands in for the trunk {TRUNKS[self.trunk].name}: "
            f"{explain_obstacle(self.trunk, prior)}; its distances are others than weights and thresholds are made for"
        )

    def find_obstacle(self, prior):
        """Return why the term's network cannot be used, with the ways out; None if it can."""
        why = explain_obstacle(self.trunk, prior)
        if why is None:
            return None
        ways = ["`dgp priors fetch efficientnet-lite0` gets a network that recipes take in the place of missing ones"]
        if prior.discriminator is not None:
            ways.append("--set trunk=discriminator takes the prior's discriminator")
        return "; ".join([f"{self.name}: {why}", ", or ".join([*ways, "leave the term out"])])

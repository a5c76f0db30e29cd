"""All chains of damages; chains that differ only by swaps of commuting damages are counted once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, permutations

import torch
import torch.nn.functional as F
from torch import Tensor

Names = tuple[str, ...]
Pairs = Set[frozenset[str]]


def normal_form(chain: Names, commuting: Pairs, order: Names) -> Names:
    """Return the normal form of a chain: the first by ``order`` of all that swaps of commuting neighbours reach.

    This is the lexicographic normal form of traces (Cartier & Foata 1969).
    """
    rest, found = list(chain), []
    while rest:
        free = (
            name
            for index, name in enumerate(rest)
            if all(frozenset((name, earlier)) in commuting for earlier in rest[:index])
        )
        found.append(min(free, key=order.index))
        rest.remove(found[-1])
    return tuple(found)


def all_chains(names: Names, commuting: Pairs, longest: int) -> list[Names]:
    """Return every chain of distinct damages, in normal form, shortest first; the empty chain is no damage.

    Args:
        names: the damages.
        commuting: the pairs that commute.
        longest: the largest number of damages in a chain.
    """
    every = (chain for length in range(longest + 1) for chain in permutations(names, length))
    return list(dict.fromkeys(normal_form(chain, commuting, names) for chain in every))


def chain_features(chains: Sequence[Names], names: Names, commuting: Pairs) -> Tensor:
    """Return the features of chains: which damages, which pairs of damages, and their order if they do not commute.

    The evidence for a chain is the sum of the evidence for its features, so that chains share what is learnt.

    Returns:
        (chains, features) of 0 and 1.
    """
    columns = [[name in chain for chain in chains] for name in names]
    for first, second in combinations(names, 2):
        orders = [(first, second)] if frozenset((first, second)) in commuting else [(first, second), (second, first)]
        for one, other in orders:
            both = [one in chain and other in chain for chain in chains]
            if len(orders) > 1:
                both = [b and c.index(one) < c.index(other) for b, c in zip(both, chains, strict=True)]
            columns.append(both)
    return torch.tensor(columns, dtype=torch.float32).T.contiguous()


@dataclass(frozen=True)
class ChainOutputs:
    """The meaning of the outputs of a network that ranks chains: evidence for their features, then logits of variants.

    Attributes:
        chains: the chains.
        names: the damages.
        commuting: the pairs that commute.
        variants: the names of the damages with several variants, each with their number.
    """

    chains: tuple[Names, ...]
    names: Names
    commuting: Pairs
    variants: tuple[tuple[str, int], ...]

    @cached_property
    def features(self) -> Tensor:
        """Features of the chains, (chains, features)."""
        return chain_features(self.chains, self.names, self.commuting)

    @property
    def count(self) -> int:
        """Number of outputs."""
        return self.features.shape[1] + sum(count for _, count in self.variants)

    def split(self, out: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Split the outputs.

        Args:
            out: (N, outputs).

        Returns:
            The log-likelihood of each chain, (N, chains), up to a constant; and for each damage with several variants
            their logits, (N, variants).
        """
        evidence, *rest = out.split([self.features.shape[1], *(count for _, count in self.variants)], 1)
        return evidence @ self.features.T, dict(zip((name for name, _ in self.variants), rest, strict=True))

    def make_loss(
        self, truth: Tensor, strengths: Mapping[str, Tensor], weights: Sequence[float]
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """Return the loss of the outputs for some rows of the training data, a function of (outputs, indices of rows).

        It is the weighted cross-entropy of the chain and of the variants of its damages.

        Args:
            truth: index of the chain of each row, (n,).
            strengths: damage -> index of its variant in each row, (n,), -1 where the chain does not contain it.
            weights: of all chains of a length together, by length.
        """
        length = torch.tensor([len(chain) for chain in self.chains])
        share = (torch.tensor(weights) / torch.bincount(length))[length]
        weight = (share / torch.bincount(truth, minlength=len(length)))[truth]
        weight = weight / weight.mean()

        def loss(out: Tensor, index: Tensor) -> Tensor:
            likelihood, variants = self.split(out)
            value = F.cross_entropy(likelihood + share.log(), truth[index], reduction="none")
            for name, logits in variants.items():
                value = value + F.cross_entropy(logits, strengths[name][index], reduction="none", ignore_index=-1)
            return (weight[index] * value).mean()

        return loss

"""All chains of damages; chains that differ only by swaps of commuting damages are counted once."""

from __future__ import annotations

from collections.abc import Sequence, Set
from itertools import combinations, permutations

import torch
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

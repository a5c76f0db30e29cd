"""Which chains of damages there are, those that commute counted once."""

from __future__ import annotations

from collections.abc import Sequence, Set
from itertools import combinations, permutations

import torch
from torch import Tensor

Names = tuple[str, ...]
Pairs = Set[frozenset[str]]


def normal_form(chain: Names, commuting: Pairs, order: Names) -> Names:
    """The same chain, told in one way: of all that swaps of neighbours which commute can make of it, the first by
    ``order`` (the lexicographic normal form of traces; Cartier & Foata 1969)."""
    rest, found = list(chain), []
    while rest:
        free = (
            name
            for place, name in enumerate(rest)
            if all(frozenset((name, earlier)) in commuting for earlier in rest[:place])
        )
        found.append(min(free, key=order.index))
        rest.remove(found[-1])
    return tuple(found)


def all_chains(names: Names, commuting: Pairs, longest: int) -> list[Names]:
    """Every chain of different damages in normal form, the shortest first; the empty one is no damage at all."""
    every = (chain for length in range(longest + 1) for chain in permutations(names, length))
    return list(dict.fromkeys(normal_form(chain, commuting, names) for chain in every))


def traits(chains: Sequence[Names], names: Names, commuting: Pairs) -> Tensor:
    """(chains, traits) of 0 and 1: which damages a chain has, which two together, and in which order where that counts.

    The evidence for a chain is the sum of that for its traits, so that what is learnt of one serves all others.
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

"""Chains that commute count once."""

from itertools import permutations

import pytest

from dgp.identify.chains import all_chains, chain_features, normal_form

NAMES = ("a", "b", "c", "d")
FREE = frozenset(map(frozenset, ("ab", "bc", "ad")))


def reachable(chain):
    """By brute force: all that swaps of neighbours which commute make of it."""
    seen, open_ = {chain}, [chain]
    while open_:
        one = open_.pop()
        for i in range(len(one) - 1):
            other = (*one[:i], one[i + 1], one[i], *one[i + 2 :])
            if frozenset(one[i : i + 2]) in FREE and other not in seen:
                seen.add(other)
                open_.append(other)
    return seen


@pytest.mark.parametrize("length", [2, 3, 4])
def test_the_normal_form_is_the_first_of_its_class(length):
    for chain in permutations(NAMES, length):
        assert normal_form(chain, FREE, NAMES) == min(reachable(chain))


def test_every_class_is_there_once():
    found = all_chains(NAMES, FREE, 3)
    classes = {frozenset(reachable(c)) for length in range(4) for c in permutations(NAMES, length)}
    assert len(found) == len(set(found)) == len(classes) and found[0] == ()
    assert [len(chain) for chain in found] == sorted(len(chain) for chain in found)


def test_no_two_chains_have_the_same_features():
    chains = all_chains(NAMES, FREE, 3)
    rows = {tuple(row) for row in chain_features(chains, NAMES, FREE).tolist()}
    assert len(rows) == len(chains)

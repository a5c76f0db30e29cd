"""The forced choices of benchmarks/quality/trunk.py."""

from collections import Counter

import numpy as np
import pytest

from tests.dgp.term_scene import small_efficientnet

from .conftest import picture


@pytest.fixture
def scene():
    return np.asarray(picture(0, (32, 32))) / 255


def test_pairs(scene):
    import trunk

    found = list(trunk.pairs(scene, 0))
    assert Counter(group for group, _, _ in found)["same kind"] == 7 * 4
    assert Counter(group for group, _, _ in found)["mild and strong"] == 4 * 6
    for group, better, worse in found:
        errors = trunk.mse(better, scene), trunk.mse(worse, scene)
        if group == "misaligned":
            assert errors[1] <= 0.5 * errors[0]
    assert any(group == "misaligned" for group, _, _ in found)


def test_shares_of_right_choices(scene, monkeypatch):
    import trunk

    monkeypatch.setattr(trunk, "load_efficientnet", small_efficientnet)
    shares, counts = trunk.judge(scene, 0)
    assert set(shares) == set(trunk.MEASURES) and counts["misaligned"] > 0
    assert shares["PSNR"]["misaligned"] == 0 and shares["PSNR"]["same kind"] > 0.9  # by construction
    assert all(0 <= share <= 1 for own in shares.values() for share in own.values())

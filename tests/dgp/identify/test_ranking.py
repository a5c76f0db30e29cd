"""What damaged a picture: a ranking of chains, and an observation under the likeliest."""

from dataclasses import replace

import pytest
import torch
from PIL import Image

import degradations
from dgp.api import observe
from dgp.errors import InputError
from dgp.identify import auto, ranking
from dgp.identify.damages import COMMUTING, DAMAGES, build_operator
from dgp.identify.ranking import CHAINS, rank, rank_rows
from generators import load


@pytest.fixture(scope="module")
def toy():
    return load("toy")


@pytest.fixture(autouse=True)
def small(monkeypatch, toy):
    """Single damages, few pictures; what is learnt stays in the session's folder."""
    short = tuple(chain for chain in CHAINS if len(chain) < 2)
    monkeypatch.setattr(ranking, "CHAINS", short)
    monkeypatch.setattr(ranking, "OUTPUTS", replace(ranking.OUTPUTS, chains=short))
    monkeypatch.setattr(ranking, "COUNTS", (60, 60))
    monkeypatch.setattr(ranking, "WEIGHTS", (0.3, 0.7))
    monkeypatch.setattr(ranking, "POOL", 60)
    monkeypatch.setattr(ranking, "STEPS", 250)
    monkeypatch.setattr("generators.bank.SHARD", 60)


@pytest.fixture(scope="module")
def pictures(toy):
    with torch.no_grad():
        return toy.generator(toy.generator.sample(12, generator=torch.Generator().manual_seed(8)))


def test_chains_that_commute_count_once_and_all_can_be_built():
    assert len(CHAINS) == 109 and len([c for c in CHAINS if len(c) == 1]) == len(DAMAGES)
    assert frozenset(("noise", "jpeg")) not in COMMUTING
    for chain in CHAINS:
        operator = build_operator(chain, [0] * len(chain))
        assert operator.channels(3) == (1 if "missing colour" in chain else 3) and operator.size((32, 32)) == (32, 32)
    for damage in DAMAGES:
        assert len(damage.simulated) == len(damage.restored)


def test_damages_are_seen(toy, pictures):
    shown = {
        "missing colour": "gray",
        "noise": "noise:0.15",
        "low resolution": "rescale:4,up=nearest",
        "jpeg": "jpeg:10",
    }
    for name, spec in shown.items():
        y = degradations.parse(spec).simulate(pictures, torch.Generator().manual_seed(0))
        found = rank_rows(y, toy)
        first = [candidates[0].damages for candidates in found]
        assert first.count((name,)) >= 6, f"{name}: by chance it would be one or two of twelve"
        assert all(sum(c.probability for c in one) == pytest.approx(1) for one in found)
        assert all(c.probability >= d.probability for one in found for c, d in zip(one, one[1:], strict=False))
    enlarged = rank_rows(degradations.parse("rescale:4,up=nearest").simulate(pictures), toy)
    specs = [one[0].spec for one in enlarged if one[0].damages == ("low resolution",)]
    assert sum(spec.endswith("up=nearest") for spec in specs) > len(specs) / 2, "one in three by chance"


def test_a_row_alone_and_what_is_known(toy, pictures):
    found = rank_rows(pictures[:3], toy)
    alone = rank(pictures[1:2], toy)
    assert [c.damages for c in alone] == [c.damages for c in found[1]]
    assert [c.damages for c in rank(pictures[:1], toy, known={"noise"})] == [("noise",)]
    assert [c.spec for c in rank(pictures[:1], toy, factor=4.0)] == ["sr:4"]


def test_larger_pictures_are_looked_at_in_parts_that_keep_the_blocks():
    picture = torch.arange(160.0)[None, :, None].expand(3, 160, 160)
    parts = ranking._parts(picture)
    assert parts.shape == (9, 3, 64, 64) and (parts[:, 0, 0, 0] % 8 == 0).all() and parts.max() == 159


def test_an_observation_under_what_is_likeliest(toy, pictures):
    grey = degradations.parse("gray").simulate(pictures[:1])
    found = observe(grey[0].expand(3, -1, -1), "auto", toy)
    assert found.asked == "auto" and found.degradation.spec == "gray" and found.y.shape == (1, 1, 32, 32)
    assert found.ranking[0].spec == "gray" and found.ranking[0].damages == ("missing colour",)
    assert set(found.ranking[0].record()) == {"spec", "probability", "damages"}
    small = observe(pictures[0][:, ::4, ::4], "auto", toy)
    assert small.degradation.spec == "sr:4" and small.y.shape == (1, 3, 8, 8)
    simulated = observe(pictures[0], "auto", toy, simulate=True, truth="gray")
    assert simulated.truth is None or simulated.truth.spec == "gray"
    assert simulated.degradation.spec == "gray" and simulated.simulated


def test_what_the_file_tells_is_certain(toy, pictures, tmp_path):
    for quality, known in ((20, {"jpeg"}), (95, set())):
        path = tmp_path / f"{quality}.jpg"
        degradations.Identity().picture(pictures[:1]).save(path, quality=quality)
        assert auto._damages_of_file(auto.open_picture(path)) == known
    seen = auto.prepare(tmp_path / "20.jpg", "identity", toy)
    assert all("jpeg" in candidate.damages for candidate in auto._rank(seen, toy, 0))
    small = Image.open(tmp_path / "20.jpg").resize((24, 24))
    small.save(tmp_path / "small.jpg", quality=20)
    seen = auto.prepare(tmp_path / "small.jpg", "identity", toy)
    assert any("jpeg" not in candidate.damages for candidate in auto._rank(seen, toy, 0)), "its blocks are not of x"


def test_a_clean_picture_shows_no_damage(toy, pictures):
    with pytest.raises(InputError, match="--truth"):
        observe(pictures[0], "auto", toy, simulate=True)


def test_a_chain_that_cannot_be_built_gives_way_to_the_next(toy, pictures, monkeypatch):
    def first(y, prior, **how):
        return [ranking.Candidate(spec, 0.5, ("scratches",)) for spec in ("inpaint:mask=alpha", "gray")]

    monkeypatch.setattr(auto, "rank", first)
    found = observe(pictures[0], "auto", toy)
    assert found.degradation.spec == "gray" and "inpaint:mask=alpha was likelier" in found.notes[-1]

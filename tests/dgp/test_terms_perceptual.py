"""LPIPS against its package, the pyramid against its published loop, and no trunk that is not the right one."""

import copy
import dataclasses
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from dgp.losses.feature_networks import lpips as lpips_networks
from dgp.losses.feature_networks.discriminator import DiscriminatorNetwork
from dgp.losses.feature_networks.lpips import LpipsNetwork
from dgp.losses.feature_networks.table import find_network
from dgp.losses.locality import Locality
from dgp.losses.perceptual import Lpips, LpipsPyramid
from dgp.observation.resizing import resize
from tests.dgp.term_scene import give_trunk, predict, scene, untrained

PICTURES = torch.tensor([0, 1, 2, 3, 3])  # of the rows that are looked at: none has weights
ROWS = torch.tensor([0, 2, 5, 6, 7])


@pytest.fixture(scope="module")
def rows():
    return scene()


@pytest.fixture(scope="module")
def network():
    return untrained()


@pytest.fixture
def trunk(monkeypatch, network):
    give_trunk(monkeypatch, network)


@pytest.mark.parametrize("name", ["squeeze", "alex"])
def test_lpips_is_the_packages(rows, name, network, monkeypatch):
    network = network if name == "squeeze" else untrained(name)
    give_trunk(monkeypatch, network)
    evaluator, everything = rows
    seen = predict(evaluator, everything, ROWS)
    image = seen.lifted.detach().requires_grad_()
    seen.lifted = image
    got = Lpips(trunk=name)(seen)
    expected = network(image, evaluator.batch.lifted[PICTURES]).flatten()
    assert torch.allclose(got, expected, rtol=1e-5, atol=1e-7)
    ours, theirs = (torch.autograd.grad(value.sum(), image)[0] for value in (got, expected))
    assert (ours - theirs).norm() < 1e-4 * theirs.norm()


def test_larger_pictures_are_shrunk_by_area(rows, network, trunk):
    evaluator, everything = rows
    seen = predict(evaluator, everything, ROWS)
    small = [F.interpolate(p, size=20, mode="area") for p in (seen.lifted, evaluator.batch.lifted[PICTURES])]
    assert torch.allclose(Lpips(trunk="squeeze", size=20)(seen), network(*small).flatten(), rtol=1e-4)
    same = Lpips(trunk="squeeze")(seen)
    assert torch.equal(Lpips(trunk="squeeze", size=64)(seen), same)


def test_targets_are_looked_at_once(rows, monkeypatch, network, trunk):
    evaluator, everything = rows
    evaluator.batch._cache.clear()
    looks = []
    monkeypatch.setattr(network.net, "forward", lambda x, was=network.net.forward: looks.append(len(x)) or was(x))
    for _ in range(3):
        Lpips(trunk="squeeze")(predict(evaluator, everything, ROWS))
    assert looks == [5, 5, 5, 5]  # the five observations once, and five rows in each of three steps
    looks.clear()
    for _ in range(2):
        LpipsPyramid(trunk="squeeze")(predict(evaluator, everything, torch.tensor([6, 7])))
    assert looks == [2, 2, 2]


def test_discriminator_in_the_same_formula(rows):
    evaluator, everything = rows
    seen = predict(evaluator, everything, ROWS)
    got = Lpips(trunk="discriminator")(seen)
    judge = evaluator.renderer.prior.discriminator
    total = 0
    for a, b in zip(judge.features(seen.lifted), judge.features(evaluator.batch.lifted[PICTURES]), strict=True):
        a, b = (F.normalize(x.flatten(2) if x.ndim == 4 else x[..., None], dim=1) for x in (a, b))
        total = total + (a - b).square().sum(1).mean(1)
    assert torch.allclose(got, total, rtol=1e-4)
    assert (got > 0).all()


def test_weights_of_the_observation_weigh_positions(rows, network, trunk):
    evaluator, everything = rows
    last = torch.tensor([8])
    seen, term = predict(evaluator, everything, last), Lpips(trunk="squeeze")
    through = LpipsNetwork(network, 17)
    ours, theirs = through.maps(seen.lifted), through.maps(evaluator.batch.lifted[4:])
    weight = evaluator.batch.observations[4].weight
    expected = 0
    for k, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        here = F.interpolate(weight, size=a.shape[-2:], mode="area")
        expected += float((network.lins[k]((a - b).square()) * here).sum() / here.sum())
    assert float(term(seen)) == pytest.approx(expected, rel=1e-5)
    assert float(term(seen)) != pytest.approx(float(network(seen.lifted, evaluator.batch.lifted[4:])), rel=1e-3)


def published_pyramid(x, y, mask, network, draw, smallest=17):
    """Of RSR: x, y (1, 3, h, w) in [0, 1], holes zero; mask (1, 1, h, w) of what is seen, or None; draw(shape)."""
    total = 0.0
    for _ in range(6):
        if y.shape[-1] <= 16:
            break
        if y.shape[-1] >= smallest:
            fill = 0 if mask is None else (1 - mask) * (draw(x.shape) + 0.5) / 2
            total = total + network(x + fill, y + fill, normalize=True)
        x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
        mask = None if mask is None else F.avg_pool2d(mask, 2)
    return total + 0.1 * (x - y).abs().mean()


@pytest.mark.parametrize(
    ("row", "picture"), [(0, 0), (2, 1), (5, 2), (6, 3)], ids=["gray", "sr", "inpaint", "identity"]
)
def test_pyramid_is_the_published_loop(rows, network, trunk, row, picture):
    evaluator, everything = rows
    seen = predict(evaluator, everything, torch.tensor([row]))
    (group,) = seen.groups
    mask = None if group.missing is None else (~group.missing).float()
    x, y = ((p.expand(-1, 3, -1, -1) + 1) / 2 * (1 if mask is None else mask) for p in (group.prediction, group.y))
    stream = predict(evaluator, everything, torch.tensor([row])).random.generators[0]
    expected = published_pyramid(x, y, mask, network, lambda shape: torch.randn(shape[1:], generator=stream)[None])
    assert (mask is not None) == (picture == 2)
    assert float(LpipsPyramid(trunk="squeeze")(seen)) == pytest.approx(float(expected), rel=1e-4)


def test_levels_and_where_they_end():
    term = LpipsPyramid(levels=3, above=16)
    assert [x.shape[-1] for x in term._pyramid(torch.zeros(1, 3, 256, 256))] == [256, 128, 64, 32]
    assert [x.shape[-1] for x in term._pyramid(torch.zeros(1, 3, 40, 40))] == [40, 20, 10]
    assert [x.shape[-1] for x in term._pyramid(torch.zeros(1, 3, 16, 16))] == [16]


def test_levels_that_are_too_small_are_left_out(rows, monkeypatch, network):
    give_trunk(monkeypatch, network)
    evaluator, everything = rows
    seen = predict(evaluator, everything, torch.tensor([6]))
    deep = LpipsPyramid(trunk="squeeze", above=4)  # 32 px, 16 px and 8 px, of which the trunk takes the first
    first = Lpips(trunk="squeeze")(seen)
    last = F.avg_pool2d(seen.groups[0].prediction - seen.groups[0].y, 8).abs().mean() / 2
    assert torch.allclose(deep(seen), first + 0.1 * last, rtol=1e-5)


def test_gradients_by_finite_differences(network):
    evaluator, _ = scene()
    judge = copy.deepcopy(evaluator.renderer.prior.discriminator).double()
    random = torch.Generator().manual_seed(0)
    x, y = torch.rand(2, 2, 3, 18, 18, generator=random, dtype=torch.float64) * 2 - 1
    batch = SimpleNamespace(extract_features=lambda pictures: judge.features(resize(pictures, (32, 32))))
    for through in (LpipsNetwork(copy.deepcopy(network).double(), 17), DiscriminatorNetwork(batch)):
        theirs = through.maps(y)
        assert torch.autograd.gradcheck(
            lambda p, to=through, t=theirs: to.distance(to.maps(p), t), x.requires_grad_(), eps=1e-7, fast_mode=True
        )


def test_gradients_are_finite_where_a_map_is_dark(network):
    network.net.slice1[0].bias.data.fill_(-9)  # nothing passes the first ReLU
    try:
        x = torch.zeros(1, 3, 32, 32, requires_grad=True)
        through = LpipsNetwork(network, 17)
        through.distance(through.maps(x), through.maps(torch.ones_like(x).detach())).sum().backward()
    finally:
        network.net.slice1[0].bias.data.zero_()
    assert x.grad.isfinite().all()


@pytest.fixture
def no_trunks(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def refuse(*_, **__):
        raise AssertionError("a download was tried")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    lpips_networks.load_lpips.cache_clear()
    return tmp_path / "checkpoints"


@pytest.mark.parametrize("term", [Lpips(), Lpips(trunk="vgg"), LpipsPyramid(), Locality()], ids=repr)
def test_absent_trunks_are_refused_in_one_line(rows, no_trunks, term):
    prior = rows[0].renderer.prior
    said = term.find_obstacle(prior)
    assert "nothing is downloaded" in said and "--set trunk=discriminator" in said and "\n" not in said
    alone = term.find_obstacle(dataclasses.replace(prior, discriminator=None))
    assert "dgp priors fetch lpips-" in alone and "dgp priors fetch efficientnet-lite0" in alone
    assert "discriminator" not in alone
    assert term.model_copy(update={"trunk": "discriminator"}).find_obstacle(prior) is None
    assert "no discriminator" in term.model_copy(update={"trunk": "discriminator"}).find_obstacle(
        dataclasses.replace(prior, discriminator=None)
    )
    with pytest.raises(ValueError, match="nothing is downloaded"):
        find_network(term.trunk, predict(*rows, torch.tensor([0])))


@pytest.mark.parametrize(("name", "file"), [("vgg", "vgg16-397923af.pth"), ("squeeze", "squeezenet1_1-b8a52dc0.pth")])
def test_damaged_trunks_are_refused(no_trunks, name, file):
    no_trunks.mkdir()
    (no_trunks / file).write_bytes(b"not the trunk")
    assert "damaged" in lpips_networks.explain_absence(name)


def test_small_networks_and_small_sizes(rows):
    prior = rows[0].renderer.prior
    generator = copy.copy(prior.generator)
    generator.info = dataclasses.replace(generator.info, resolution=16)
    said = Lpips().find_obstacle(dataclasses.replace(prior, generator=generator))
    assert "16 px are too few" in said and "trunk=discriminator" in said
    with pytest.raises(ValueError, match="needs 31"):
        Lpips(size=16)

"""Statistics of mapped latents: what they are; they are streamed, lazy and kept, and computed again where damaged."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import nn

import generators
from generators import Generator, GeneratorInfo, LatentSpec, ModelCard, ParameterGroup, Prior, WeightsError
from generators.base import State
from generators.caching.disk_cache import serialise
from generators.latents import sample_normal
from generators.statistics import latent_statistics as measured
from generators.statistics.gaussians import CorrelatedGaussian, Gaussian
from generators.statistics.moments import Moments


class Mapped(Generator):
    """A mapping network with a last leaky ReLU, and a picture of nothing."""

    def __init__(self, size=6):
        super().__init__()
        self.mapping = nn.Linear(4, size)
        self.depth = 0
        self.info = GeneratorInfo(
            "mapped", 4, (LatentSpec("z", "z", (4,)), LatentSpec("w", "w", (size,), sampled=False))
        )
        self.draws = []

    def sample(self, n, *, truncation=1.0, classes=None, generator=None):
        self.draws.append(n)
        return {"z": sample_normal(n, 4, truncation, generator).to(self.mapping.weight)}

    def convert(self, latents, chart):
        if chart != "w":
            return super().convert(latents, chart)
        return {"w": F.leaky_relu(self.mapping(latents["z"]), 0.2)}

    def stem(self, latents):
        return State(self.convert(latents, "w")["w"].sum(1).view(-1, 1, 1, 1).expand(-1, 3, 4, 4))

    def head(self, state):
        return state.hidden.tanh()

    def groups(self):
        return [ParameterGroup("mapping", ("mapping.weight", "mapping.bias"), head=True, progressive=False)]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DGP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Mapped()


def prior_of(network, sha256="0" * 64):
    return Prior("mapped", network, None, ModelCard("mapped"), sha256)


@pytest.fixture
def fewer(monkeypatch):
    monkeypatch.setattr(measured, "GAUSSIAN_DRAWS", 30_000)


@pytest.mark.parametrize("products", [False, True])
def test_moments_of_chunks_are_those_of_the_whole(products):
    rows = torch.randn(1000, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3 + 1e6
    moments = Moments(5, products)
    for chunk in (rows[:1], rows[1:400], rows[400:]):
        moments.add(chunk)
    torch.testing.assert_close(moments.mean, rows.mean(0), rtol=1e-14, atol=0)
    torch.testing.assert_close(moments.std, rows.std(0), rtol=1e-9, atol=0)
    if products:
        torch.testing.assert_close(moments.covariance, rows.T.cov(), rtol=1e-8, atol=1e-8)


@torch.no_grad()
def test_they_are_those_of_w(network, fewer):
    found = prior_of(network).statistics
    w = network.convert(network.sample(200_000, generator=torch.Generator().manual_seed(5)), "w")["w"]
    before = F.leaky_relu(w, 5.0)
    for ours, theirs in (
        (found.mean, w.mean(0)),
        (found.std, w.std(0)),
        (found.gaussian.mean, before.mean(0)),
        (found.gaussian.std, before.std(0)),
    ):
        assert ours.shape == (6,) and ours.dtype == torch.float32
        torch.testing.assert_close(ours, theirs, atol=0.03, rtol=0)
    torch.testing.assert_close(found.gaussian.mean, network.mapping.bias, atol=0.02, rtol=0)


class Alone(Mapped):
    """A synthesis network without its mapping."""

    def sample(self, n, **how):
        return self.convert(super().sample(n, **how), "w")


def test_a_network_that_draws_w_itself(network):
    alone = Alone()
    alone.load_state_dict(network.state_dict())
    assert torch.equal(prior_of(alone, "").statistics.std, prior_of(network, "").statistics.std)


@torch.no_grad()
def test_the_gaussian_and_w_are_each_others_inverse(network, fewer):
    gaussian = prior_of(network).statistics.gaussian
    x = torch.randn(2, 18, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = F.leaky_relu(x * gaussian.std.double() + gaussian.mean.double(), 0.2)
    torch.testing.assert_close(gaussian.to_w(x), expected)
    torch.testing.assert_close(gaussian.from_w(gaussian.to_w(x)), x)


def test_w_of_pulse(shared):
    """The published run's geodesic cross loss, which reads w, at its first latents."""
    run = np.load(shared / "fixtures/pulse_loop_toy.npz")
    gaussian = Gaussian(torch.tensor(run["gf_mean"]), torch.tensor(run["gf_std"]))
    w = gaussian.to_w(torch.tensor(run["default_init_latent"])).double()[0]
    apart, along = ((w[:, None] + sign * w).square().sum(-1).add(1e-9).sqrt() for sign in (-1, 1))
    geocross = (2 * torch.atan2(apart, along)).square().mul(512).mean() / 8
    assert float(geocross) == pytest.approx(run["default_geo"][0], rel=1e-5)


@torch.no_grad()
def test_the_correlated_gaussian_whitens_w(network):
    gaussian = prior_of(network).statistics.correlated_gaussian
    w = network.convert(network.sample(100_000, generator=torch.Generator().manual_seed(5)), "w")["w"]
    x = gaussian.from_w(w)
    torch.testing.assert_close(x.mean(0), torch.zeros(6), atol=0.02, rtol=0)
    # z has four entries, so that w varies along four directions.
    torch.testing.assert_close(x.T.cov()[:4, :4], torch.eye(4), atol=0.03, rtol=0)
    torch.testing.assert_close(gaussian.to_w(x), w, atol=1e-4, rtol=1e-4)


def test_directions_without_deviation_are_kept_finite():
    covariance = torch.diag(torch.tensor([4.0, 1.0, 0.0]))
    gaussian = CorrelatedGaussian.of_covariance(torch.zeros(3), covariance)
    torch.testing.assert_close(gaussian.std, torch.tensor([2.0, 1.0, 2e-3]))
    assert gaussian.from_w(torch.ones(2, 3)).isfinite().all()


def test_components_are_orthonormal_and_sorted(network):
    found = prior_of(network).statistics
    components = found.components
    torch.testing.assert_close(components.directions @ components.directions.T, torch.eye(6), atol=1e-5, rtol=0)
    assert (components.std.diff() <= 0).all()
    with torch.no_grad():
        w = network.convert(network.sample(100_000, generator=torch.Generator().manual_seed(5)), "w")["w"]
    along = (w - components.mean) @ components.directions.T
    torch.testing.assert_close(along.T.cov(), components.std.square().diag(), atol=0.01, rtol=0)
    torch.testing.assert_close(components.std.square().sum(), found.std.square().sum())


def test_nothing_is_computed_before_it_is_asked_for(network, fewer):
    found = prior_of(network).to("cpu").statistics
    assert network.draws == []
    assert found.std is not None
    assert sum(network.draws) == 10_000 and max(network.draws) <= measured.CHUNK
    network.draws.clear()
    assert found.mean is not None and found.components is not None and network.draws == []
    assert found.gaussian is not None
    assert sum(network.draws) == 30_000 and max(network.draws) <= measured.CHUNK


def test_they_are_kept_by_the_sha256_of_the_weights(network, cache, fewer):
    first = prior_of(network).statistics
    values = first.std, first.gaussian.mean
    network.draws.clear()
    again = prior_of(network).statistics
    assert torch.equal(again.std, values[0]) and torch.equal(again.gaussian.mean, values[1]) and not network.draws
    assert prior_of(network, "1" * 64).statistics.std is not None and network.draws
    assert len(list((cache / "statistics").iterdir())) == 3
    network.draws.clear()
    assert torch.equal(measured.Statistics(network, "").std, values[0]) and network.draws, "no sha256, nothing kept"


@pytest.mark.parametrize("damage", ["empty", "truncated", "one bit", "another's", "half"])
def test_a_damaged_file_is_computed_again(network, cache, damage):
    std = prior_of(network).statistics.std
    (file,) = (cache / "statistics").iterdir()
    whole = file.read_bytes()
    file.write_bytes(
        {
            "empty": b"",
            "truncated": whole[:-3],
            "one bit": whole[:-1] + bytes([whole[-1] ^ 1]),
            "another's": serialise({"mean": torch.zeros(7), "std": torch.ones(7)}),
            "half": save({"mean": torch.zeros_like(std).bfloat16(), "std": torch.ones_like(std).bfloat16()}),
        }[damage]
    )
    network.draws.clear()
    assert torch.equal(prior_of(network).statistics.std, std) and network.draws
    assert file.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_no_failure(network, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("DGP_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="cannot be written .*; set DGP_CACHE"):
        assert prior_of(network).statistics.std.shape == (6,)


def test_what_came_with_the_weights_goes_first(network, tmp_path):
    torch.save({"mean": torch.arange(6.0), "std": torch.ones(6)}, tmp_path / "gaussian_fit.pt")
    network.register_buffer("w_avg", torch.full((6,), 3.0))
    found = measured.make_statistics(network, "2" * 64, tmp_path)
    assert torch.equal(found.gaussian.mean, torch.arange(6.0)) and torch.equal(found.mean, torch.full((6,), 3.0))
    moved = found.with_generator(copy.deepcopy(network))
    assert torch.equal(moved.gaussian.mean, torch.arange(6.0)) and not network.draws
    assert not torch.equal(found.measured_mean, found.mean)


@pytest.mark.parametrize(
    "content",
    [
        {"mean": torch.zeros(5), "std": torch.ones(5)},
        {"mean": torch.zeros(6)},
        {"mean": torch.zeros(6), "std": torch.zeros(6)},
        {"mean": torch.full((6,), torch.nan), "std": torch.ones(6)},
    ],
)
def test_a_file_that_holds_no_gaussian_is_refused(network, tmp_path, content):
    torch.save(content, tmp_path / "gaussian_fit.pt")
    with pytest.raises(WeightsError, match="gaussian_fit.pt") as caught:
        measured.make_statistics(network, "", tmp_path)
    assert "\n" not in str(caught.value)


def test_networks_without_w_have_none():
    assert generators.load("toy").statistics is None

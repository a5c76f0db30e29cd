"""Priors of installed packages: found by the entry-point group ``dgp.generators``."""

import sys

import pytest
import torch

import dgp
import generators
from generators import registry
from tests.cli.conftest import call  # noqa: F401

SOURCE = """
import torch
from torch import nn

import generators


def discs():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 48), nn.Tanh(), nn.Unflatten(1, (3, 4, 4)), nn.Upsample(scale_factor=4))
    return generators.wrap(module, 6, name="discs", card=generators.ModelCard("discs", data="none"))


def nothing():
    return None
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package as pip leaves it: a module, and a dist-info folder with entry points."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/their_generators.py").write_text(SOURCE)
    info = tmp_path / "site/their_generators-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-generators\nVersion: 1.0\n")
    lines = ("discs = their_generators:discs", "nothing = their_generators:nothing", "lost = no_such_module:discs")
    (info / "entry_points.txt").write_text("\n".join(("[dgp.generators]", *lines, "toy = their_generators:discs")))
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(registry, "_makers", dict(registry._makers))
    yield
    sys.modules.pop("their_generators", None)


def test_an_installed_prior_is_used_by_its_name(installed, call):  # noqa: F811
    assert {"discs", "lost", "toy"} <= set(generators.names())
    prior = generators.load("discs")
    picture = prior.generator(prior.generator.sample(1, generator=torch.Generator().manual_seed(0)))[0]
    short = ("stages.*.steps=2", "searches.0.count=8")
    assert dgp.restore(picture, "gray", "discs", recipe="latent-mse", overrides=short).tensor.shape == (3, 16, 16)
    listed = {entry["name"]: entry for entry in call("priors", "list", "--json").json["priors"]}
    assert listed["discs"]["usable"] and listed["discs"]["resolution"] == 16
    assert "No module named 'no_such_module'" in listed["lost"]["reason"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lost", "the prior 'lost' of no_such_module:discs failed to import"),
        ("nothing", "'nothing' of their_generators gave a NoneType, expected a Prior"),
        ("toy", "the prior 'toy' of their_generators:discs is already registered by generators.random_init"),
    ],
)
def test_a_package_that_cannot_be_used_is_named(installed, name, said):
    with pytest.raises(generators.WeightsError, match=said) as caught:
        generators.load(name)
    assert "\n" not in str(caught.value)

"""Test third-party operators: from files, from installed packages, and defined in place."""

import hashlib
import warnings
from importlib.metadata import EntryPoint

import pytest
import torch
from PIL import Image

import degradations
from degradations import Degradation, GaussianNoise, Parameter, PluginError, SizeError, SpecError, parse
from degradations.conformance import check
from degradations.core import registry

TEN_LINES = '''
import torch.nn.functional as F

from degradations import Degradation, Parameter, register


@register("haze")
class Fade(Degradation):
    """Neighbouring rows run into each other, and contrast is lost."""
    linear = True
    parameters_spec = (Parameter("strength", 0.5, (0.0, 1.0), help="how much is lost"),)

    def forward(self, x):
        return (1 - self.strength) * (x + x.roll(1, 2)) / 2
'''

HIDES_A_METHOD = """
from degradations import *

@register("new")
class A(Degradation):
    parameters_spec = (Parameter("size"),)
"""


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    """Each test has a registry of its own."""
    monkeypatch.setattr(registry, "_classes", dict(registry._classes))
    monkeypatch.setattr(registry, "_broken", {})
    monkeypatch.setattr(registry, "_files", {})
    monkeypatch.setattr(registry, "_scanned", False)


def test_a_degradation_in_ten_lines(tmp_path):
    file = tmp_path / "haze.py"
    file.write_text(TEN_LINES)
    names, sha256 = degradations.load_plugin(file)
    assert names == ("haze",)
    assert sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert "haze" in degradations.names()
    assert degradations.describe("haze").parameters[0].help == "how much is lost"
    for size in ((32, 32), (37, 31)):
        assert check(parse("haze:0.25").build(size=size), size) == []
        assert check(parse("gray+haze:strength=0.25+sr:2").build(size=size), size) == []
    phi = parse("haze")
    assert phi.spec == "haze"
    assert parse("haze:strength=0.25").spec == "haze:strength=0.25"
    with pytest.raises(SpecError, match="haze: strength=2.0 is out of range; expected a number from 0 to 1"):
        parse("haze:2")
    assert degradations.load_plugin(file) == (names, sha256), "loading a file again is no collision"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 / 0", "failed: ZeroDivisionError"),
        ("def", "failed: SyntaxError"),
        ("raise SystemExit(3)", "failed: SystemExit"),
        ("import nothing_of_this_name", "No module named 'nothing_of_this_name'"),
        ("x = 1", "registers nothing"),
        (
            "from degradations import *\n@register('gray')\nclass A(Degradation): pass",
            "'gray' is taken by degradations.operators.gray.Gray",
        ),
        ("from degradations import *\n@register('New One')\nclass A(Degradation): pass", "small letters"),
        ("from degradations import *\n@register('new')\nclass A: pass", "only subclasses"),
        (
            HIDES_A_METHOD,
            "cannot be called 'size'",
        ),
        (
            "from degradations import *\n@register('new')\nclass A(Degradation): pass\n1 / 0",
            "ZeroDivisionError",
        ),
    ],
)
def test_bad_files(tmp_path, text, words):
    file = tmp_path / "plugin.py"
    file.write_text(text)
    before = degradations.names()
    with pytest.raises(PluginError, match=words) as caught:
        degradations.load_plugin(file)
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)
    assert caught.value.exit_code == 3
    assert degradations.names() == before, "a plugin that fails leaves nothing behind"


def test_files_that_are_not_there(tmp_path):
    for path in (tmp_path / "none.py", tmp_path):
        with pytest.raises(PluginError, match="expected a Python file"):
            degradations.load_plugin(path)


class Installed(Degradation):
    def forward(self, x):
        return -x


def test_installed_packages(monkeypatch):
    asked = []

    def entry_points(*, group):
        asked.append(group)
        return [
            EntryPoint("negative", f"{__name__}:Installed", group),
            EntryPoint("lost", "no_such_module:Lost", group),
            EntryPoint("gray", f"{__name__}:Installed", group),
        ]

    monkeypatch.setattr(registry, "entry_points", entry_points)
    monkeypatch.setattr("sys.modules", {**__import__("sys").modules, __name__: __import__("sys").modules[__name__]})
    parse("gray+sr:2")
    assert asked == [], "packages are looked at only when a name is not known, or for a list"
    assert torch.equal(parse("negative")(torch.ones(1, 3, 4, 4)), -torch.ones(1, 3, 4, 4))
    parse("negative")
    assert asked == ["dgp.degradations"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        listed, broken = degradations.names(), degradations.broken()
    assert set(broken) == {"lost"}
    assert "plugin 'lost'" in broken["lost"] and "No module named 'no_such_module'" in broken["lost"]
    assert not any("\n" in reason for reason in broken.values())
    assert "negative" in listed
    assert "lost" not in listed
    with pytest.raises(PluginError, match="plugin 'lost' .*no_such_module.* cannot be used: ModuleNotFoundError"):
        parse("gray+lost:3")
    with pytest.raises(SpecError, match="did you mean 'negative'.*plugin 'lost'"):
        parse("negativ")


def test_a_name_is_given_once():
    degradations.register("mine")(type("A", (Degradation,), {}))
    with pytest.raises(PluginError, match="is taken by"):
        degradations.register("mine")(type("B", (Degradation,), {}))


class Gain(Degradation):
    linear = True
    parameters_spec = (
        Parameter("gain", 0.5, (0.1, 1)),
        Parameter("mode", "a", kind="choice", choices=("a", "b")),
    )

    def forward(self, x):
        return self.gain * x


def test_bound_values_belong_to_rows():
    phi, x = Gain(), torch.rand(3, 3, 8, 8) * 2 - 1
    values = torch.tensor([0.2, 0.5, 0.9], requires_grad=True)
    bound = phi.bind({"gain": values})
    torch.testing.assert_close(bound(x), torch.stack([0.2 * x[0], 0.5 * x[1], 0.9 * x[2]]))
    (gradient,) = torch.autograd.grad(bound(x).sum(), values)
    torch.testing.assert_close(gradient, x.flatten(1).sum(1))
    assert phi.gain == 0.5, "the operator itself is as it was"
    assert bound.size((8, 8)) == (8, 8)
    target = bound(x).detach()
    torch.testing.assert_close(bound.merge(torch.zeros_like(x), target), x, rtol=0, atol=1e-5)
    torch.testing.assert_close(bound.adjoint(x, (8, 8)), bound(x))
    with pytest.raises(SpecError, match="bound to values of gain"):
        _ = bound.spec
    assert "gain" in repr(bound)
    with pytest.raises(SpecError, match="cannot bind 'mode'; it can bind gain"):
        phi.bind({"mode": values})
    with pytest.raises(SizeError, match="one for each row"):
        phi.bind({"gain": torch.ones(3, 2)})


def test_bound_values_in_chains():
    x = torch.rand(2, 3, 8, 8) * 2 - 1
    one = degradations.Chain([Gain(), parse("sr:2")]).bind({"gain": torch.tensor([0.2, 0.4])})
    torch.testing.assert_close(one(x), parse("sr:2")(x * torch.tensor([0.2, 0.4])[:, None, None, None]))
    two = degradations.Chain([Gain(), Gain()])
    bound = two.bind({"Gain.gain": torch.tensor([1.0, 0.5]), "Gain2.gain": torch.tensor([0.5, 0.5])})
    torch.testing.assert_close(bound(x), x * torch.tensor([0.5, 0.25])[:, None, None, None])
    with pytest.raises(SpecError, match=r"cannot bind gain; it can bind Gain.gain, Gain2.gain"):
        two.bind({"gain": torch.ones(2)})


def test_noise_is_apart():
    phi = Gain()
    phi.noise = GaussianNoise(0.1)
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    assert torch.equal(phi(x), phi(x))
    streams = [torch.Generator().manual_seed(i) for i in (0, 1)]
    y = phi.measure(x, streams)
    assert torch.equal(y[1:], phi.measure(x[1:], [torch.Generator().manual_seed(1)])), "a stream belongs to a row"
    assert abs(float((y - phi(x)).std()) - 0.1) < 0.005
    expected = -torch.distributions.Normal(phi(x), 0.1).log_prob(y).flatten(1).mean(1)
    torch.testing.assert_close(phi.noise.nll(phi(x), y), expected)
    with pytest.raises(SizeError, match="1 random generators for 2 rows"):
        phi.measure(x, streams[:1])
    with pytest.raises(SpecError, match="not positive"):
        GaussianNoise(0)
    start = torch.zeros_like(x)
    left = (phi(phi.merge(start, y)) - y).flatten(1).square().mean(1).sqrt()
    torch.testing.assert_close(left, torch.full((2,), 0.1), rtol=0, atol=0.01)


def test_what_cannot_be_asked():
    class Curve(Degradation):
        def forward(self, x):
            return x**3

    with pytest.raises(degradations.DegradationError, match="is not linear, so it has no adjoint"):
        Curve().adjoint(torch.zeros(1, 3, 4, 4), (4, 4))
    with pytest.raises(NotImplementedError, match="must define forward"):
        Degradation()(torch.zeros(1, 3, 4, 4))
    with pytest.raises(degradations.DegradationError, match="mode F"):
        parse("gray").read(Image.new("F", (4, 4)))
    with pytest.raises(SizeError, match="define lift"):
        parse("identity").picture(torch.zeros(1, 2, 4, 4))

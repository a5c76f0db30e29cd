"""Test that third-party operators with faults are reported before any work, and legitimate refusals are not."""

import pytest
import torch
import torch.nn.functional as F

import degradations
from degradations import Chain, Degradation, Parameter, PluginError, SizeError, SpecError, parse, try_out
from degradations.core import registry

HEAD = """
import torch
from degradations import Degradation, Parameter, SizeError, register

@register("mine")
class Mine(Degradation):
"""


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    monkeypatch.setattr(registry, "_classes", dict(registry._classes))
    monkeypatch.setattr(registry, "_files", {})


@pytest.fixture
def plugin(tmp_path):
    def load(body):
        (tmp_path / "mine.py").write_text(HEAD + body)
        degradations.load_plugin(tmp_path / "mine.py")

    return load


@pytest.mark.parametrize(
    ("body", "says", "cause"),
    [
        ("    linear = True", "defines no forward", None),
        ("    def forward(self, x): return x / self.strenth", "AttributeError", AttributeError),
        (
            "    def forward(self, x): return torch.cat([x, x[:, :, 1:]])",
            "RuntimeError: Sizes of tensors",
            RuntimeError,
        ),
        ("    def forward(self): return 0", "TypeError", TypeError),
        ("    def forward(self, x): x * 2", "gave a NoneType", None),
        ("    def forward(self, x): return x[0]", "gave a float32 tensor of", None),
        ("    def forward(self, x): return (x > 0).long()", "gave a int64 tensor", None),
        ("    def forward(self, x): raise SystemExit", "SystemExit", SystemExit),
        ("    def forward(self, x): return x.mul_(0.5)", "changes x itself; begin it with x = x.clone", None),
        ("    def forward(self, x): return x[:, :, :0]", "gave a float32 tensor of", None),
        ("    def forward(self, x): return x.to('meta')", "gave a tensor on meta", None),
        ("    def forward(self, x): return x.to_sparse()", "gave a tensor of layout torch.sparse", None),
        ("    def forward(self, x): return x / 0", "gave NaN|gave infinite", None),
        ("    def __init__(self): raise SystemExit(0)", "SystemExit", SystemExit),
        ("    def __init__(self): self.a = torch.nn.ReLU()", "AttributeError", AttributeError),
    ],
)
@pytest.mark.parametrize("spec", ["mine", "gray+mine+sr:2"])
def test_what_cannot_work_is_a_plugin_error(plugin, spec, body, says, cause):
    plugin(body)
    with pytest.raises(PluginError, match=says) as caught:
        parse(spec)
    assert caught.value.exit_code == 3 and "\n" not in str(caught.value)
    assert "mine" in str(caught.value)
    assert cause is None or isinstance(caught.value.__cause__, cause), "-v shows where in the author's file"


@pytest.mark.parametrize(
    "body",
    [
        "    def forward(self, x):\n"
        "        if x.shape[-1] < 64: raise SizeError('got 32x32; expected at least 64x64; give a larger picture')\n"
        "        return x",
        "    def forward(self, x): return torch.nn.functional.pad(x, (40,) * 4, mode='reflect')",
        "    def build(self, picture=None, seed=0, size=None):\n        self.gain = 2\n        return self\n"
        "    def forward(self, x): return x * self.gain",
    ],
    ids=["small", "wide", "built"],
)
def test_what_works_elsewhere_or_later_is_no_plugin_error(plugin, body):
    plugin(body)
    operator = parse("mine").build(seed=0, size=(96, 96))
    assert operator(torch.zeros(1, 3, 96, 96)).shape[1] == 3


def test_an_operator_for_grey_pictures_only_works_behind_gray(plugin):
    plugin("    def forward(self, x): return torch.nn.functional.conv2d(x, torch.ones(2, 1, 3, 3))")
    assert parse("gray+mine")(torch.zeros(1, 3, 8, 8)).shape == (1, 2, 6, 6)
    with pytest.raises(PluginError):
        parse("mine")


def test_wrong_use_stays_wrong_use(plugin):
    plugin(
        "    parameters_spec = (Parameter('gain', 1.0, (0, 1)),)\n    def forward(self, x): return x * self.gain",
    )
    with pytest.raises(SpecError, match="out of range"):
        parse("mine:2")


class Needy(Degradation):
    """Runs only once it is built, and then fails."""

    parameters_spec = (Parameter("gain", 1.0),)

    def build(self, picture=None, seed=0, size=None):
        return self

    def forward(self, x):
        return F.conv2d(x, torch.zeros(1, 4, 3, 3))


def test_built_operators_are_tried_at_their_own_size():
    for operator in (Needy(), Chain([parse("sr:2"), Needy()])):
        with pytest.raises(PluginError, match="Needy.*expected input"):
            try_out(operator, (32, 32))
    try_out(parse("sr:2"), (32, 32))


def test_a_chain_that_refuses_is_left_to_say_so():
    class Wide(Degradation):
        def forward(self, x):
            raise SizeError("got 32x32, expected 64x64; give that")

    try_out(Chain([Wide(), Needy()]), (32, 32))

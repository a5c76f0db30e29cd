"""Test that every registered operator, and chains of them, fulfil the contract, and that violations are detected."""

import pytest
import torch

from degradations import Chain, Degradation, GaussianNoise, Inpaint, Parameter, describe, names, parse
from degradations.conformance import check

SIZES = [(32, 32), (37, 31)]
SPECS = [describe(name).example for name in names()] + [
    "gray:luma=dgp",
    "sr:2.5",
    "sr:factor=3,filter=lanczos",
    "sr:factor=2,filter=box",
    "sr:factor=4,filter=nearest",
    "sr:64",
    "inpaint:box=3-4-20-25",
    "inpaint:strokes=0.3",
    "inpaint:pixels=0.5,seed=4",
    "gray+sr:2",
    "sr:2+gray",
    "gray+inpaint:center=0.4",
    "sr:2+inpaint:center=1/3",
    "identity+gray+inpaint:pixels=0.2",
    "gray+sr:2+inpaint:center=1/3",
    "inpaint:pixels=0.3+gray+sr:2",
    "sr:2+sr:2+gray",
    "sr-dgp+gray",
    "scanlines:shade=gray,strength=1,period=3",
    "sensing:fraction=0.2,kind=gaussian",
    "affine:scale=1.5",
    "rescale:2-3",
    "blur:1+sr:2",
    "gray+blur:1.5",
    "blur:1+mosaic",
    "mosaic+inpaint:pixels=0.2",
    "scanlines+sr:2",
    "crop:box=3-4-20-25+sr:2",
    "sr:2+sensing:0.5",
    "motion-blur:7+gray+sr:2",
    "affine:10+gray+blur:1",
    "rescale:2+defocus+outpaint:1/5",
    "gamma:0.45",
    "sepia:0.5",
    "channel:red,amount=0.6",
    "gray+sepia",
    "gray+sr:2+noise:0.05",
    "inpaint:center=1/3+poisson:30",
    "sr:2+salt-pepper:0.1",
    "gray+speckle:0.2+dropout:0.3",
    "poisson:30+noise:0.02",
    "fade+gamma:0.7+noise:0.05",
    "sr:2+white-balance:blue=0.4",
    "inpaint:center=1/3+fade",
    "gray+dither",
    "gray+palette:8",
    "gray+quantise:4",
    "sepia+fade+palette:16",
    "fade+sr:2+dither:4",
    "jpeg:quality=90,subsampling=444",
    "gray+jpeg:30",
    "sr:2+jpeg:20",
    "jpeg:40+inpaint:center=1/2",
    "gray+sr:2+jpeg:50",
    "photo:scratches=0,creases=0,dust=0",
    "gray+photo",
    "photo+jpeg:60",
    "blur:2+noise:0.05",
    "gray+motion-blur:5+poisson:40",
]


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("spec", SPECS)
def test_contract(spec, size):
    if "deepinv" in spec:
        pytest.importorskip("deepinv")
    assert check(parse(spec).build(seed=3, size=size), size) == []


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_contract_where_the_hole_is_hardly_seen(size):
    """Pixels at the rim of the hole enter y with tiny weights, so y is met less tightly."""
    assert check(parse("inpaint:center=1/3+sr:2"), size, merge_tolerance=2e-3) == []


def test_contract_of_a_mask_in_memory():
    mask = torch.rand(1, 1, 37, 31, generator=torch.Generator().manual_seed(0)) < 0.3
    assert check(Inpaint.of(mask), (37, 31)) == []
    assert check(Chain([parse("gray"), Inpaint.of(mask)]), (37, 31)) == []


class Gamma(Degradation):
    """Not linear, with a parameter of its own and noise."""

    noise = GaussianNoise(0.02)
    parameters_spec = (Parameter("bend", 0.3, (0, 1)),)

    def forward(self, x):
        return x - self.bend * (x - x**3) / 2


class Quantised(Degradation):
    smooth = False

    def forward(self, x):
        return (x * 8).round() / 8


class Half(Degradation):
    linear = True

    def forward(self, x):
        return x[..., : x.shape[-1] // 2]


@pytest.mark.parametrize(
    "phi", [Gamma(), Quantised(), Half(), Chain([Gamma(), parse("sr:2")]), Chain([Half(), Quantised()])]
)
def test_contract_of_operators_that_only_write_forward(phi):
    assert check(phi, (37, 31)) == []


class Shifts(Degradation):
    linear = True

    def forward(self, x):
        return x * 0.5 + 0.1


class Couples(Degradation):
    def forward(self, x):
        return x - x.mean() / 2


class Random(Degradation):
    def forward(self, x):
        return x * 0.9 + 0.01 * torch.rand_like(x)


class WrongAdjoint(Half):
    def adjoint(self, y, size):
        return 2 * super().adjoint(y, size)


class Loud(Degradation):
    def forward(self, x):
        return 3 * x


class WrongHole(Half):
    def propagate_unobserved(self, size, uninformative, channels=3):
        return torch.ones(1, *size, dtype=torch.bool)


class BadMerge(Half):
    def merge(self, x, y):
        return x


class Detached(Degradation):
    def forward(self, x):
        return x + (x**2).detach() * 0.1


@pytest.mark.parametrize(
    ("phi", "word"),
    [
        (Shifts(), "adjoint"),
        (Couples(), "rows"),
        (Random(), "two calls"),
        (WrongAdjoint(), "<A x, y>"),
        (Loud(), "overshoot"),
        (WrongHole(), "unobserved"),
        (BadMerge(), "merge(x, y)"),
        (Detached(), "gradient"),
    ],
    ids=lambda p: type(p).__name__ if isinstance(p, Degradation) else "",
)
def test_contract_notices(phi, word):
    assert any(word in finding for finding in check(phi))

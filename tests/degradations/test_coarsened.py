"""Operators on averages of pictures: close to averages of what they do to the pictures, or refused."""

import pytest
import torch
import torch.nn.functional as F

from degradations import parse
from degradations.core.base import Degradation
from degradations.operators.inpaint import Inpaint

from .test_scaled import photographs  # noqa: F401

SIDE = 240
# Root mean square difference from the averages, in percent of black to white, that each may have.
AVERAGING = {
    "identity": 0,
    "gray": 0,
    "gamma:2": 2,
    "sepia": 0,
    "blur:4": 0.3,
    "defocus:6": 0.5,
    "motion-blur:length=20": 0.4,
    "rescale:8": 0.5,
    "sr:8": 0.8,
    "sr-pulse:8": 0.9,
    "sr:2": 1.3,
    "gray+sr:8": 0.8,
    "blur:3+sr:4+gray": 0.6,
    "sr:8+noise:0.1": 0.8,
    "sr:8+jpeg:30": 3,
    "inpaint:center=1/3": 0,
    "blur:4+inpaint:center=0.37": 0.3,
    "inpaint:box=17-30-101-155+gray": 0,
}
DETAIL = [
    "noise:0.1",
    "jpeg:30",
    "sensing:0.1",
    "mosaic",
    "salt-pepper:0.1",
    "blur:sigma=auto",
    "inpaint:pixels=0.5",
    "inpaint:center=1/3+blur:4",
    "inpaint:center=1/3+sr:8",
    "quantise:8",
]


def build(spec):
    return parse(spec).build(seed=1, size=(SIDE, SIDE))


def measure_error(operator, x, factor):
    small = operator.coarsened(tuple(x.shape[-2:]), factor)
    averages = F.adaptive_avg_pool2d(x, round(x.shape[-1] * factor))
    got = small(averages)
    y = small.set_known_values(F.adaptive_avg_pool2d(operator(x), got.shape[-2:]))
    return 50 * float((got - y).square().mean().sqrt())


@pytest.mark.parametrize("spec", AVERAGING)
def test_averages_are_degraded_like_the_picture(spec, photographs):  # noqa: F811
    assert max(measure_error(build(spec), photographs, factor) for factor in (1 / 2, 1 / 4)) <= AVERAGING[spec] + 1e-4


@pytest.mark.parametrize("spec", DETAIL)
def test_where_detail_is_the_evidence_there_is_no_coarser_operator(spec):
    assert build(spec).coarsened((SIDE, SIDE), 1 / 2) is None


def test_the_size_of_y_decides_about_noise_that_comes_after_a_reduction():
    operator = build("sr:2+noise:0.1")
    assert operator.coarsened((SIDE, SIDE), 1 / 2).spec == "noise:0.1"
    assert operator.coarsened((SIDE, SIDE), 1 / 4) is None


def test_nothing_changes_at_the_picture_s_own_size():
    for spec in (*AVERAGING, *DETAIL):
        operator = build(spec)
        same = operator.coarsened((SIDE, SIDE), 1)
        assert same is operator or same.spec == operator.spec, spec


def test_only_squares_that_are_wholly_seen_count():
    mask = torch.zeros(1, 1, SIDE, SIDE, dtype=torch.bool)
    mask[..., 81, 100:140] = True
    small = Inpaint.of(mask).coarsened((SIDE, SIDE), 1 / 4)
    assert small.missing.nonzero()[:, 2:].tolist() == [[20, column] for column in range(25, 35)]


def test_an_operator_of_a_plugin_is_not_coarsened():
    class Half(Degradation):
        linear = True

        def forward(self, x):
            return x / 2

    assert Half().coarsened((SIDE, SIDE), 1 / 2) is None

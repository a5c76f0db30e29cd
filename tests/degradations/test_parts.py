"""Test that parts of a picture with margins are degraded as the whole picture is."""

import pytest
import torch

from degradations import Degradation, Inpaint, Photo, describe, names, parse
from degradations.core.identity import Identity

SIZE = (150, 171)
EXAMPLES = [describe(name).example for name in names() if name not in ("deepinv",)]
CUT = [
    *EXAMPLES,
    "gray+noise:0.05",
    "blur:2+fade:0.6+jpeg:40",
    "scanlines:strength=1,shade=gray,period=5,width=2",
    "inpaint:strokes=0.3",
    "inpaint:pixels=0.7+defocus:2",
    "inpaint:box=3-4-60-70",
    "mosaic+scanlines:period=3",
    "motion-blur:length=9,angle=70",
]
WHOLE = ("sr", "sr-pulse", "sr-dgp", "crop", "outpaint", "affine", "perspective", "lens", "sensing")


def picture(h, w, seed=0):
    return torch.rand(1, 3, h, w, generator=torch.Generator().manual_seed(seed)) * 1.8 - 0.9


def cut(phi, size, x):
    """Phi of x, part by part: each with a margin of ``reach``, rounded up to the alignment."""
    margin, step = -(-phi.reach(size) // phi.alignment) * phi.alignment, 48 // phi.alignment * phi.alignment
    y = None
    for top in range(0, size[0], step):
        for left in range(0, size[1], step):
            bottom, right = min(top + step, size[0]), min(left + step, size[1])
            t, m = max(top - margin, 0), max(left - margin, 0)
            b, r = min(bottom + margin, size[0]), min(right + margin, size[1])
            part = phi.part((m, t, r, b), size)(x[..., t:b, m:r])
            y = torch.zeros(1, part.shape[1], *size) if y is None else y
            y[..., top:bottom, left:right] = part[..., top - t : bottom - t, left - m : right - m]
    return y


@pytest.mark.parametrize("spec", CUT)
def test_parts_equal_the_whole(spec):
    size = (144, 168) if spec.startswith("rescale") else SIZE
    phi, x = parse(spec).build(seed=1, size=size), picture(*size)
    if phi.part((0, 0, *size[::-1]), size) is None:
        assert phi.name in WHOLE
        assert phi.detail_margin(size) is None
        return
    torch.testing.assert_close(cut(phi, size, x), phi(x), rtol=0, atol=2e-5)


def test_a_part_without_missing_pixels_is_the_identity_and_one_without_others_works():
    phi = parse("inpaint:box=40-40-90-90")
    assert isinstance(phi.part((0, 0, 32, 32), SIZE), Identity)
    hole = phi.part((48, 48, 80, 80), SIZE)
    assert isinstance(hole, Inpaint)
    x = picture(32, 32)
    assert torch.equal(hole.restore_detail(x, hole(x)), x)


def test_worn_parts():
    phi = Photo(scratches=30, creases=3, dust=100).build(seed=2, size=SIZE)
    x = picture(*SIZE)
    torch.testing.assert_close(cut(phi, SIZE, x), phi(x), rtol=0, atol=2e-5)


def test_rescaling_is_cut_only_where_the_factors_divide_the_sizes():
    phi = parse("rescale:4")
    assert phi.part((0, 0, 64, 64), (128, 130)) is None
    assert phi.part((0, 0, 64, 62), (128, 128)) is None
    assert phi.part((0, 0, 64, 64), (128, 128)) is phi
    assert parse("rescale:2.5").alignment is None


class Vignette(Degradation):
    def forward(self, x):
        return x * torch.linspace(0.5, 1, x.shape[-1])


class LostColumns(Degradation):
    linear = True

    def forward(self, x):
        x = x.clone()
        x[..., ::4] = 0
        return x


class Soft(Degradation):
    linear = True

    def forward(self, x):
        return torch.nn.functional.avg_pool2d(x, 5, stride=1, padding=2, count_include_pad=False)


class Mean(Degradation):
    def forward(self, x):
        return x - x.mean((2, 3), keepdim=True)


@pytest.mark.parametrize(
    ("phi", "alignment", "reach"), [(Vignette(), None, 0), (LostColumns(), 4, 0), (Soft(), 1, 2), (Mean(), None, None)]
)
def test_operators_that_only_write_forward_are_probed(phi, alignment, reach):
    assert phi.alignment == alignment
    assert phi.reach(SIZE) == reach
    if alignment is None:
        assert phi.part((0, 0, 64, 64), SIZE) is None
    else:
        torch.testing.assert_close(cut(phi, SIZE, picture(*SIZE)), phi(picture(*SIZE)), rtol=0, atol=1e-6)

"""Test warps against kornia, crop and outpaint, and the pixels outside the picture."""

import math

import pytest
import torch

from degradations import SizeError, SpecError, parse


def pictures(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


def to_pixels(h, w):
    """From unit coordinates of ``grid_sample`` (edges at -1 and 1) to pixels."""
    return torch.tensor([[w / 2, 0, (w - 1) / 2], [0, h / 2, (h - 1) / 2], [0, 0, 1]], dtype=torch.float64)


def test_affine_is_kornias():
    transform = pytest.importorskip("kornia.geometry.transform")
    h, w = 19, 26
    x = pictures(2, 3, h, w)
    angle, scale, right, down = 25.0, 1.3, 2.5, -1.25
    centre = torch.tensor([[(w - 1) / 2, (h - 1) / 2]], dtype=torch.float64)
    # kornia's angles go anti-clockwise about an origin at the top left, as seen
    m = transform.get_rotation_matrix2d(
        centre, torch.tensor([angle], dtype=torch.float64), torch.full((1, 2), scale, dtype=torch.float64)
    )
    m[..., 2] += torch.tensor([right, down], dtype=torch.float64)
    expected = transform.warp_affine(x, m.expand(2, -1, -1), (h, w), align_corners=True)
    ours = parse(f"affine:angle={angle},scale={scale},right={right},down={down}")(x)
    torch.testing.assert_close(ours[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2], rtol=0, atol=1e-9)


def test_perspective_is_kornias():
    transform = pytest.importorskip("kornia.geometry.transform")
    h, w = 19, 26
    x, across, down = pictures(2, 3, h, w), 0.3, -0.2
    source = torch.tensor([[1, 0, 0], [0, 1, 0], [-across, -down, 1]], dtype=torch.float64)
    there = to_pixels(h, w)
    m = (there @ source.inverse() @ there.inverse()).expand(2, -1, -1)
    expected = transform.warp_perspective(x, m, (h, w), align_corners=True)
    ours = parse(f"perspective:across={across},down={down}")(x)
    torch.testing.assert_close(ours[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2], rtol=0, atol=1e-9)


def test_lens_bends_by_browns_formula():
    """A picture that tells its own place: linear ramps are interpolated exactly."""
    h, w = 21, 17
    v, u = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) - (n - 1) / 2 for n in (h, w)), indexing="ij")
    x = torch.stack([u / w, v / h, 0 * u])[None]
    r2 = (u**2 + v**2) / ((w / 2) ** 2 + (h / 2) ** 2)
    stretch = 1 - 0.2 * r2 + 0.05 * r2**2
    y = parse("lens:k=-0.2,k2=0.05")(x)
    torch.testing.assert_close(y[0, 0], u * stretch / w, rtol=0, atol=1e-12)
    torch.testing.assert_close(y[0, 1], v * stretch / h, rtol=0, atol=1e-12)


def test_turned_by_right_angles():
    x = pictures(1, 3, 12, 12)
    torch.testing.assert_close(parse("affine:90")(x), x.rot90(1, (-2, -1)), rtol=0, atol=1e-9)
    torch.testing.assert_close(parse("affine:right=3,down=2")(x)[..., 2:, 3:], x[..., :-2, :-3], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "values",
    [
        {"angle": (20.0, -35.0), "scale": (0.8, 1.21), "shear": (5.0, -7.0), "right": (0.3, 1.4), "down": (-0.7, 0.2)},
        {"across": (0.2, -0.1), "down": (0.1, 0.33)},
        {"k": (0.2, -0.1), "k2": (0.1, 0.02)},
    ],
    ids=["affine", "perspective", "lens"],
)
def test_smooth_in_each_rows_parameters(values, request):
    name = request.node.callspec.id
    x = pictures(2, 1, 7, 6)
    tensors = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in values.values()]

    def act(*given):
        return parse(name).bind(dict(zip(values, given, strict=True)))(x)

    assert torch.autograd.gradcheck(act, tensors)
    for i in range(2):
        plain = parse(f"{name}:" + ",".join(f"{key}={v[i]}" for key, v in values.items()))
        torch.testing.assert_close(plain(x[i : i + 1]), act(*tensors)[i : i + 1], rtol=0, atol=1e-9)


def test_beyond_the_picture_is_mid_grey_and_tells_nothing():
    phi, x = parse("affine:scale=0.5"), pictures(2, 3, 16, 16).float()
    empty = phi.uninformative((16, 16))
    assert 0.7 < empty.float().mean() < 0.8
    assert torch.equal(phi.simulate(x)[empty[:, None].expand(2, 3, -1, -1)], torch.zeros(int(empty.sum()) * 6))
    assert phi.unobserved((16, 16)) is None or phi.unobserved((16, 16)).float().mean() < 0.8
    zoomed = parse("affine:scale=2")
    assert zoomed.uninformative((16, 16)) is None
    seen = ~zoomed.unobserved((16, 16))[0]
    assert seen[4:12, 4:12].all()
    assert not seen[:3].any()


@pytest.mark.parametrize(
    ("spec", "size", "frame"),
    [
        ("crop:center=1/2", (16, 16), (4, 4, 12, 12)),
        ("crop:center=1/3", (7, 5), (2, 2, 3, 5)),
        ("crop:box=1-2-5-9", (16, 8), (1, 2, 5, 9)),
        ("outpaint:1/4", (16, 20), (5, 4, 15, 12)),
        ("outpaint:left=1/2", (8, 8), (4, 0, 8, 8)),
        ("outpaint:margin=1/4,top=0", (8, 8), (2, 0, 6, 6)),
    ],
)
def test_a_part_stays_where_it_is(spec, size, frame):
    phi, x, other = parse(spec), pictures(2, 3, *size).float(), pictures(2, 3, *size, seed=1).float()
    left, top, right, bottom = phi.frame(size)
    assert (left, top, right, bottom) == frame
    y = phi(x)
    assert torch.equal(y, x[..., top:bottom, left:right])
    merged = phi.merge(other, y)
    assert torch.equal(phi(merged), y)
    outside = phi.unobserved(size)[0]
    assert int(outside.sum()) == size[0] * size[1] - (right - left) * (bottom - top)
    assert torch.equal(merged[..., outside], other[..., outside])
    lifted = phi.lift(y, size)
    assert torch.equal(phi(lifted), y)
    assert (lifted[..., outside] == 0).all()


def test_chains_lift_through_each_link():
    """What is left of a part shows where the part is."""
    x = torch.full((1, 3, 16, 16), 0.5)
    phi = parse("crop:box=0-0-8-16+gray+sr:2")
    lifted = phi.lift(phi(x), (16, 16))
    assert lifted.shape == (1, 3, 16, 16)
    torch.testing.assert_close(lifted[..., :8], x[..., :8])
    assert (lifted[..., 8:] == 0).all()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("crop", "center and box, got neither"),
        ("crop:center=1/2,box=0-0-4-4", "got both"),
        ("crop:center=0", "keeps nothing"),
        ("outpaint", "adds nothing"),
        ("outpaint:0", "adds nothing"),
        ("outpaint:1/2", "add 1 of the whole"),
        ("outpaint:left=0.7,right=0.4", "left and right add 1.1"),
        ("perspective:across=0.6,down=0.6", "look along"),
        ("affine:scale=0", "out of range"),
        ("lens:-0.5", "out of range"),
        ("affine:angle=1,angle=2", "twice"),
    ],
)
def test_refused_in_one_line(spec, words):
    with pytest.raises(SpecError) as refused:
        parse(spec)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_part_that_is_not_there():
    for spec in ("crop:box=0-0-40-4", "crop:center=1/20"):
        with pytest.raises(SizeError, match="10x10"):
            parse(spec)(torch.zeros(1, 3, 10, 10))


def test_sizes_of_turned_pictures_do_not_matter_to_the_angle():
    """Pixels, not shares of the sides, are turned: a circle stays one in an oblong picture."""
    h, w = 21, 41
    v, u = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) - (n - 1) / 2 for n in (h, w)), indexing="ij")
    disc = torch.exp(-(u**2 + v**2) / 18)[None, None]
    torch.testing.assert_close(parse("affine:37")(disc), disc, rtol=0, atol=0.03)
    assert math.isclose(float(parse("affine:37")(disc)[0, 0, h // 2, w // 2]), 1, abs_tol=1e-9)

"""FFHQ's square: its place, that it turns with the face, its padding, and the way back."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from dgp.faces.alignment import SEAM, Alignment
from dgp.faces.landmarks import Face
from dgp.observation.full_size.aligned_picture import AlignedPicture
from dgp.observation.geometry import Geometry
from tests.dgp.faces.scene import POINTS, astronaut, transform


def square_of(points):
    return Alignment.from_face(Face.from_points(points))


def test_the_square_of_an_upright_face():
    """Eyes 40 apart, mouth 50 below: across (40, 0) + (50, 0); half the side is 1.8 x 50 = 90 > 2 x 40."""
    points = [[80, 100], [120, 100], [100, 125], [85, 150], [115, 150]]
    square = square_of(points)
    assert np.allclose(square.corners - 0.5, [[10, 15], [10, 195], [190, 195], [190, 15]])
    assert square.side == pytest.approx(180) and square.box == (10, 15, 191, 196)
    wide = square_of([[70, 100], [130, 100], [100, 125], [85, 150], [115, 150]])
    assert wide.side == pytest.approx(240), "twice 2 x 60, as the eyes are far apart"


def test_the_square_of_a_turned_face():
    """Eyes (30, 40) apart, mouth (-40, 30) from them: across is (30, 40) + (30, 40), half the side 2 x 50."""
    points = np.array([[85, 80], [115, 120], [0, 0], [60, 130], [60, 130]], float)
    corners = square_of(points).corners - 0.5
    centre = np.array([100, 100]) + 0.1 * np.array([-40, 30])
    x, y = np.array([60, 80]), np.array([-80, 60])
    assert np.allclose(corners, [centre - x - y, centre - x + y, centre + x + y, centre + x - y])


def test_of_68_points_the_means_are_used():
    points = np.arange(136, dtype=float).reshape(68, 2)
    expected = [points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]]
    assert np.allclose(Face.from_points(points).points, expected)


@pytest.mark.parametrize(("factor", "degrees"), [(1, 30), (1, -75), (0.7, 10), (1.6, 200)])
def test_the_square_follows_the_face(factor, degrees):
    """A smooth photograph that is turned, scaled and moved, with its landmarks, shows the same square."""
    image = astronaut().filter(ImageFilter.GaussianBlur(3))
    a = np.deg2rad(degrees)
    matrix = factor * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    shift = np.array([350, 350]) - matrix @ POINTS.mean(0)
    inverse = np.linalg.inv(matrix)
    offset = -inverse @ (shift + 0.5) + 0.5  # Pillow's coordinates are those of edges
    rows = np.concatenate([inverse, offset[:, None]], 1).ravel().tolist()
    moved = image.transform((700, 700), Image.Transform.AFFINE, rows, Image.Resampling.BICUBIC)
    before = np.asarray(square_of(POINTS).picture(image, 64), float)
    after = np.asarray(square_of(transform(POINTS, factor, degrees, shift)).picture(moved, 64), float)
    assert np.abs(before - after).max() <= 4 and np.abs(before - after).mean() < 0.6


def test_beyond_the_edge_the_picture_is_reflected_and_blurred():
    """The left half of the square lies beyond the edge: it is sharp where it is only reflected, softer as published."""
    image = np.asarray(astronaut().crop((224, 0, 512, 512)), np.float32)
    square = square_of(POINTS - (224, 0))
    plain, soft = (square.cut(image, 128, blur=blur) for blur in (False, True))
    whole = np.asarray(square_of(POINTS).picture(astronaut(), 128), np.float32)
    assert np.abs(plain[:, 70:] - whole[:, 70:]).mean() < 3, "the photograph's own part is there"
    assert np.isfinite(soft).all() and soft.min() > -30 and soft.max() < 285
    edges = [np.abs(np.diff(part[:, 2:40].mean(2), axis=0)).mean() for part in (plain, soft)]
    assert edges[1] < 0.5 * edges[0]


def test_far_beyond_the_edge_there_is_still_a_square():
    tiny = np.full((9, 7, 3), 100, np.float32)
    points = [[2, 3], [5, 3], [3.5, 4], [2, 6], [5, 6]]
    assert np.abs(square_of(points).cut(tiny, 32) - 100).max() < 1


@pytest.mark.parametrize("resolution", [64, 256])
def test_the_way_there_and_back(resolution):
    """Inside, the photograph comes back up to the sharpness that the resolution has; outside, bit for bit."""
    image = astronaut().filter(ImageFilter.GaussianBlur(2))
    square = square_of(POINTS)
    place = Geometry(
        "auto",
        "face",
        resolution,
        input_size=image.size,
        box=square.box,
        box_size=(round(square.side),) * 2,
        output_size=image.size,
        observed=image,
        alignment=square,
    )
    before, after = np.asarray(image, float), np.asarray(place.to_output(place.show(image), merge=False), float)
    share = square.share((0, 0, *image.size))
    assert (before[share == 0] == after[share == 0]).all() and 0.1 < (share > 0).mean() < 0.13
    assert np.square(before - after)[share > 0].mean() < (1 if resolution == 256 else 8)


def test_the_seam_is_soft():
    square = square_of(POINTS)
    share = square.share(square.box)
    assert share.max() == 1 and share.min() == 0 and np.abs(np.diff(share, axis=0)).max() < 2 / (SEAM * square.side)
    assert (share == 1).sum() == pytest.approx(((1 - 2 * SEAM) * square.side) ** 2, rel=0.02)


def test_parts_of_the_turned_picture_are_those_of_the_whole():
    square = square_of(POINTS)
    picture = AlignedPicture.to_size(torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0)), square)
    around = torch.zeros(1, 3, 512, 512)
    whole, box = picture.lay_over(around, (0, 0, 512, 512)), (200, 50, 260, 120)
    part = picture.lay_over(around[..., 50:120, 200:260], box)
    assert torch.allclose(part, whole[..., 50:120, 200:260], atol=1e-4)

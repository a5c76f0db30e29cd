"""Draws, augmentation and scores."""

import numpy as np
import pytest
import scipy.linalg
import torch

from generators.training.export.card import SCORES, insert_scores
from generators.training.export.scores import frechet_distance, precision_recall
from generators.training.loop.augment import augment, draw
from generators.training.loop.data import Pictures
from generators.training.loop.random_streams import make_stream


def test_every_picture_of_a_class_is_drawn_for_it_as_it_is_and_mirrored():
    pixels = torch.randint(0, 256, (9, 3, 4, 4), generator=make_stream(0, 1), dtype=torch.uint8)
    labels = torch.tensor([1, 0, 1, 2, 0, 1, 1, 0, 2])
    pictures = Pictures(pixels, labels, ("a", "b", "c"), "")
    classes = torch.arange(3).repeat(200)
    numbers, mirrored = pictures.draw(classes, make_stream(0, 0))
    drawn = ((pictures.take(numbers, mirrored) + 1) * 127.5).round().byte()
    found = torch.tensor([[torch.equal(x, y) for y in [*pixels, *pixels.flip(3)]] for x in drawn])
    assert found.any(1).all() and found.any(0).all()
    assert torch.equal(labels.repeat(2)[found.long().argmax(1)], classes)
    assert found[:, :9].any(1).float().mean() == pytest.approx(0.5, abs=0.1)
    assert torch.equal(numbers, pictures.draw(classes, make_stream(0, 0))[0])


def test_streams_of_steps_differ_and_repeat():
    first, again, other = (torch.rand(4, generator=make_stream(0, 0, number)) for number in (5, 5, 6))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_augmentation_changes_each_row_in_its_own_way_and_has_gradients():
    x = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)).expand(64, -1, -1, -1) * 2 - 1
    x = x.clone().requires_grad_()
    y = augment(x, 1.0, draw(64, 16, 1.0, make_stream(0, 0)))
    assert y.shape == x.shape and len(torch.unique(y.detach().flatten(1), dim=0)) == 64
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert (gradient.abs().sum((1, 2, 3)) > 0).all()
    holes = (y.detach() == 0).all(1).float().mean((1, 2))
    assert holes.max() < 0.6 and holes.min() > 0.05  # a hole of a quarter at most, and what was shifted in
    assert augment(x, 0.0, draw(64, 16, 0.0, make_stream(0, 0))) is x
    assert torch.equal(y, augment(x, 1.0, draw(64, 16, 1.0, make_stream(0, 0))))


def test_the_frechet_distance_is_that_of_its_formula():
    random = torch.Generator().manual_seed(0)
    a, b = (torch.randn(200, 5, generator=random, dtype=torch.float64) @ torch.randn(5, 5).double() for _ in range(2))
    ca, cb = np.cov(a.T.numpy()), np.cov(b.T.numpy())
    expected = (a.mean(0) - b.mean(0)).square().sum() + np.trace(ca + cb - 2 * scipy.linalg.sqrtm(ca @ cb).real)
    assert frechet_distance(a, b) == pytest.approx(float(expected), rel=1e-6)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6) and frechet_distance(a, a + 2) == pytest.approx(20)
    with pytest.raises(ValueError, match="expected two or more"):
        frechet_distance(a[:1], b)


def test_precision_and_recall_tell_what_is_wrong_from_what_is_missing():
    random = torch.Generator().manual_seed(0)
    cluster = lambda place: torch.randn(50, 4, generator=random) + place  # noqa: E731
    here, there, nowhere = 0.0, 100.0, 1000.0
    real = torch.cat([cluster(here), cluster(there)])
    assert precision_recall(real, real) == (1, 1)
    precision, recall = precision_recall(real, torch.cat([cluster(here), cluster(here)]))
    assert precision > 0.8 and recall <= 0.5
    precision, recall = precision_recall(real, torch.cat([real, cluster(nowhere), cluster(nowhere)]))
    assert precision == 0.5 and recall == 1


def test_scores_take_the_place_of_scores():
    card = f"# x\n\n{SCORES}\n\n## Limits\n\nNone.\n"
    once = insert_scores(card, ["a", "b"])
    assert "## Scores\n\na\nb\n\n## Limits\n\nNone." in once
    assert insert_scores(once, ["c"]).count("## Scores") == 1 and "\na\n" not in insert_scores(once, ["c"])

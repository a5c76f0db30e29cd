"""Test the page of all operators: the strengths that it shows, and its pictures."""

import numpy as np
import pytest

import degradations
from degradations import Degradation, Parameter, SizeError, parse
from degradations.authoring.sheet import GAP, LINE, draw, draw_observation, strengths
from degradations.core import registry
from degradations.core.notebook import make_test_picture


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    monkeypatch.setattr(registry, "_classes", dict(registry._classes))


def operator(name, **attributes):
    attributes.setdefault("forward", lambda self, x: x * 0.5)
    return degradations.register(name)(type("Mine", (Degradation,), attributes))


@pytest.mark.parametrize(
    ("parameters", "example", "expected"),
    [
        ((), None, ("mine",)),
        ((Parameter("level", 1.5, (0, 10)),), None, ("mine:level=0.75", "mine:level=1.5", "mine:level=3")),
        ((Parameter("level", 0.0, (-1, 1)),), None, ("mine:level=-0.6", "mine:level=0", "mine:level=0.6")),
        ((Parameter("n", kind="int", bounds=(2, 9), required=True),), "mine:3", ("mine:2", "mine:3", "mine:6")),
        ((Parameter("s", 4.0, (0.1, 99), plausible=(3, 6)),), None, ("mine:s=3", "mine:s=4", "mine:s=6")),
        (
            (Parameter("word", "a", kind="text"), Parameter("s", 1.0, (1, 1.5))),
            "mine:word=b",
            ("mine:s=1,word=b", "mine:s=1.5,word=b"),
        ),
        ((Parameter("s", bounds=(0, 1)), Parameter("box", kind="box")), "mine:box=0-0-4-4", ("mine:box=0-0-4-4",)),
    ],
)
def test_strengths_are_those_stated_or_around_the_example(parameters, example, expected):
    cls = operator("mine", parameters_spec=parameters, example=example)
    assert strengths("mine") == expected
    cls.strengths = ("mine", "mine+gray")
    assert strengths("mine") == cls.strengths


def test_every_registered_operator_has_strengths_that_can_be_drawn():
    x = make_test_picture((48, 48))
    for name in degradations.names():
        if name == "deepinv":
            pytest.importorskip("deepinv")
        for spec in strengths(name):
            assert parse(spec).spec and draw_observation(x, spec, seed=0).size


def test_the_page():
    operator("half", strengths=("half", "half+half", "half+half+half"))
    x = make_test_picture((48, 48))
    page = np.asarray(draw(x, ["gray", "half", "identity"], side=48, columns=1)).astype(int)
    cell, block = 48 + GAP, 48 + 2 * LINE + GAP + 2
    assert page.shape == (2 * block + GAP, 3 * cell + 3 * GAP, 3), "gray and identity share a line"
    first = GAP + LINE + 2
    shown = [page[first : first + 48, GAP + i * cell : GAP + i * cell + 48] for i in (0, 1)]
    assert (shown[0].max(-1) == shown[0].min(-1)).all(), "gray"
    levels = ((x[0].permute(1, 2, 0) + 1) * 127.5).round().int().numpy()
    assert (shown[1] == levels).all(), "identity, pixel for pixel"
    below = [page[first + block :, GAP + i * cell :][:48, :48] for i in range(3)]
    spread = [np.ptp(one) for one in below]
    assert spread[0] > 1.9 * spread[1] > 3.5 * spread[2] > 0


def test_what_cannot_be_drawn_says_why():
    def refuses(self, x):
        raise SizeError("got 48x48; expected 64x64; give a larger picture")

    operator("wide", forward=refuses)
    page = np.asarray(draw(make_test_picture((48, 48)), ["wide"], side=96))
    inside = page[GAP + LINE + 4 : GAP + LINE + 2 + 94, GAP + 2 : GAP + 94]
    assert (inside < 200).any() and (inside > 250).mean() > 0.5, "text on white"


def test_equal_seeds_draw_equal_pages():
    pages = [draw(make_test_picture((32, 32)), ["inpaint"], seed=seed, side=32) for seed in (1, 1, 2)]
    assert pages[0].tobytes() == pages[1].tobytes() != pages[2].tobytes()

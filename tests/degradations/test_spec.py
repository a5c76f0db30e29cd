"""Test spec text: its meaning, its canonical form, and one line for each mistake."""

from fractions import Fraction

import pytest
import torch

from degradations import (
    Chain,
    Inpaint,
    MaskError,
    Parameter,
    SizeError,
    SpecError,
    SuperResolution,
    describe,
    names,
    parse,
)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("gray", "gray"),
        (" gray : luma = dgp ", "gray:luma=dgp"),
        ("gray:dgp", "gray:luma=dgp"),
        ("gray:luma=rec601", "gray"),
        ("sr:4", "sr:4"),
        ("sr:factor=4,filter=bicubic", "sr:4"),
        ("sr:filter=lanczos,factor=8", "sr:factor=8,filter=lanczos"),
        ("sr:5/2", "sr:2.5"),
        ("inpaint:center=0.33", "inpaint:center=0.33"),
        ("inpaint:center=2/6", "inpaint:center=1/3"),
        ("inpaint:box=1-2-30-4", "inpaint:box=1-2-30-4"),
        ("inpaint:box=1:2:30:4", "inpaint:box=1-2-30-4"),
        ("inpaint:strokes=.25,seed=7", "inpaint:strokes=0.25,seed=7"),
        ("inpaint:mask.png", "inpaint:mask=mask.png"),
        ('inpaint:mask="a+b, c:d.png"', 'inpaint:mask="a+b, c:d.png"'),
        ("inpaint:mask='a+b.png' + gray", 'inpaint:mask="a+b.png"+gray'),
        ("""inpaint:mask='it''s "it".png'""", '''inpaint:mask="it's ""it"".png"'''),
        (r"inpaint:mask=C:\x\m.png", r'inpaint:mask="C:\x\m.png"'),
        ("gray+sr:2+inpaint:center=1/3", "gray+sr:2+inpaint:center=1/3"),
    ],
)
def test_canonical(text, canonical):
    phi = parse(text)
    assert phi.spec == canonical
    assert phi.asked == text
    assert parse(canonical).spec == canonical


def test_values_arrive():
    phi = parse("inpaint:mask='a+b.png'+sr:factor=3,filter=box")
    assert isinstance(phi, Chain)
    assert phi.links[0].mask == "a+b.png"
    assert (phi.links[1].factor, phi.links[1].filter) == (3.0, "box")
    assert parse("inpaint:center=1/3").center == Fraction(1, 3)
    assert parse("inpaint:box=1-2-30-4").box == (1, 2, 30, 4)


@pytest.mark.parametrize("number", [1.0, 1.5, 2.7182818284590451, 1e-5, 123456.789, 3e22, 1 / 3])
def test_numbers_survive(number):
    parameter = Parameter("a")
    assert parameter.read(parameter.write(number)) == number


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected e.g. gray"),
        ("  ", "expected e.g. gray"),
        ("gray+", "name is missing"),
        ("+gray", "name is missing"),
        (":4", "name is missing"),
        ("grey", "did you mean 'gray'"),
        ("Gray", "did you mean 'gray'"),
        ("superes:4", "no degradation is called 'superes'"),
        ("zzzzzz", "expected one of "),
        ("inpaint:mask=a+b.png", "must be quoted"),
        ("sr", "needs factor: a number from 1 to 256, e.g. sr:4"),
        ("sr:", "nothing follows the colon"),
        ("sr:four", "factor=four is not a number from 1 to 256"),
        ("sr:nan", "factor=nan"),
        ("sr:0.5", "out of range"),
        ("sr:1000", "out of range"),
        ("sr:1/0", "is not a number"),
        ("sr:4,lanczos", "has no parameter name"),
        ("sr:4,filter=", "has no value"),
        ("sr:4,,filter=box", "has no value"),
        ("sr:4,filter=blackman", "one of nearest, box"),
        ("sr:4,size=3", "no parameter 'size'; it has factor, filter"),
        ("sr:4,factor=4", "given twice"),
        ("sr:auto", "not possible for"),
        ("sr:?", "not possible for"),
        ("sr:factor=2..4", "not possible for"),
        ("identity:3", "takes no values"),
        ("identity:a=3", "it has none"),
        ("gray:sr:2", "is not one of rec601, dgp"),
        ("inpaint", "exactly one of mask, center, box, strokes, pixels, got none"),
        ("inpaint:center=1/3,strokes=0.2", "got center and strokes"),
        ("inpaint:center=1/3,seed=2", "no effect"),
        ("inpaint:center=3/2", "out of range"),
        ("inpaint:box=3-4-3-9", "left-top-right-bottom"),
        ("inpaint:box=1-2-3", "left-top-right-bottom"),
        ("inpaint:strokes=0.2,seed=1.5", "whole number"),
        ("inpaint:mask='a.png", "never closed"),
        ("inpaint:mask='a'b.png", "quoted only in part"),
    ],
)
def test_refusals_are_one_line(text, words):
    with pytest.raises(SpecError) as caught:
        parse(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("text", ["inpaint:center=0", "inpaint:center=1"])
def test_holes_of_nothing_or_everything(text):
    with pytest.raises(MaskError, match="between 0 and 1"):
        parse(text)


def test_python_arguments_are_checked_too():
    assert SuperResolution(4).spec == "sr:4"
    assert Inpaint(center=0.25).spec == Inpaint(center="1/4").spec == "inpaint:center=0.25"
    assert Inpaint(box=(0, 1, 2, 3)).spec == "inpaint:box=0-1-2-3"
    with pytest.raises(SpecError, match="sr: factor=0 is out of range"):
        SuperResolution(0)
    with pytest.raises(SpecError, match="at least one"):
        Chain([])
    with pytest.raises(SizeError, match="expected floats"):
        parse("gray")(torch.zeros(3, 8, 8))
    with pytest.raises(SizeError, match="expected floats"):
        parse("sr:2")(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))


def test_chains_flatten():
    phi = Chain([parse("gray+sr:2"), parse("inpaint:center=1/3")])
    assert phi.spec == "gray+sr:2+inpaint:center=1/3"
    assert len(phi.links) == 3


def test_descriptions():
    assert {"gray", "identity", "inpaint", "sr", "sr-dgp"} <= set(names())
    for name in names():
        about = describe(name)
        assert about.text.startswith(about.summary)
        assert about.summary != "No description."
        assert parse(about.example).name == name
        assert all(p.help for p in about.parameters)
    assert describe("sr").parameters[0].name == "factor"
    with pytest.raises(SpecError, match="did you mean 'sr'"):
        describe("srr")

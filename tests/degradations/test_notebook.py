"""Test how operators are shown in notebooks."""

import html
import io

import pytest
import torch
from PIL import Image

from degradations import Chain, Degradation, Inpaint, Parameter, SizeError, parse
from degradations.core.notebook import make_test_picture
from tests.degradations.test_contract import SPECS


def shown(phi):
    return Image.open(io.BytesIO(phi._repr_png_())).convert("RGB")


@pytest.mark.parametrize("spec", SPECS)
def test_every_operator_shows_its_spec_and_what_it_does(spec):
    phi = parse(spec)
    text = html.unescape(phi._repr_html_())
    assert phi.spec in text and text.count("data:image/png") == 2
    for link in getattr(phi, "links", [phi]):
        assert type(link).__doc__.splitlines()[0] in text
        assert all(f"<td>{p.name}</td>" in text for p in link.parameters_spec)
    assert shown(phi).width > 200
    assert phi._repr_png_() == phi._repr_png_()


def test_what_is_lost_is_seen():
    picture = shown(parse("gray"))
    left, right = picture.crop((0, 0, 192, 192)), picture.crop((200, 0, 392, 192))
    assert len(left.getcolors(2**20)) > 500
    assert all(r == g == b for _, (r, g, b) in right.getcolors(2**20))
    assert make_test_picture((64, 64)).abs().max() <= 1


class Two(Degradation):
    """A camera without blue & with a <b>."""

    parameters_spec = (Parameter("gain", 0.5, (0, 1), unit="decibels", help="a < b"),)

    def forward(self, x):
        return x[:, :2] * self.gain


class Lifted(Two):
    """The same, shown."""

    def lift(self, y, size):
        return torch.cat([y, y[:, :1]], 1)


def test_other_channels_are_shown_by_lift_or_it_is_said_why_not():
    assert Two()._repr_png_() is None
    text = Two()._repr_html_()
    assert "define lift" in text and "&lt;b&gt;" in text and "a &lt; b" in text and "in decibels" in text
    assert shown(Lifted()).width > 200


def test_bound_values_masks_and_refusals():
    bound = Lifted().bind({"gain": torch.tensor([0.2, 0.4])})
    assert "0.2, 0.4" in bound._repr_html_() and "bound to rows" in bound._repr_html_()
    chain = Chain([parse("sr:2"), Lifted()]).bind({"gain": torch.tensor([0.2, 0.4])})
    assert "bound to rows: gain" in chain._repr_html_() and chain._repr_png_()
    mask = torch.zeros(2, 1, 9, 14, dtype=torch.bool)
    mask[..., 3:6] = True
    assert "sha256-" in Inpaint.of(mask)._repr_html_() and shown(Inpaint.of(mask)).width > 200
    assert "mask=FILE" in parse("inpaint:mask=alpha")._repr_html_()
    assert "no such file" in parse("inpaint:mask=nothing.png")._repr_html_()


class Refuses(Degradation):
    """Large pictures only."""

    def forward(self, x):
        raise SizeError("got 64x64, expected 512x512; give that")


def test_a_refusal_is_told_and_not_raised():
    assert Refuses()._repr_png_() is None
    assert "expected 512x512" in Refuses()._repr_html_()

"""Test observations of two, four or more channels: shown by ``lift``, stored as the operator defines, or not at all."""

import numpy as np
import pytest
import torch
from PIL import Image

from degradations import Chain, Degradation, SizeError, parse


class RedGreen(Degradation):
    """A camera without blue."""

    linear = True

    def forward(self, x):
        return x[:, :2]


class Shown(RedGreen):
    def lift(self, y, size):
        return torch.cat([y, y[:, :1] * 0], 1)


class Stored(Shown):
    def read(self, picture):
        return torch.from_numpy(np.asarray(picture.convert("RGB"))[..., :2].copy()).permute(2, 0, 1)[None] / 127.5 - 1


X = torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(0)) * 2 - 1
FILE = Image.new("RGB", (5, 6))


def chained(phi):
    return Chain([parse("inpaint:center=1/2"), phi])


@pytest.mark.parametrize("around", [lambda phi: phi, chained], ids=["alone", "chain"])
def test_odd_channels(around):
    with pytest.raises(SizeError, match=r"2 channels.*define lift"):
        around(RedGreen()).picture(X[:, :2])
    with pytest.raises(SizeError, match=r"2 channels.*define read"):
        around(Shown()).read(FILE)
    phi = around(Stored())
    y = phi.simulate(X)
    picture = phi.picture(y)
    assert picture.mode == "RGB" and picture.size == (5, 6)
    torch.testing.assert_close(phi.read(picture), y[:1])

"""Stand-ins for what users hold: weights in the published layouts, and folders of pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from generators.stylegan.stylegan1 import StyleGAN1, StyleGAN1Config

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    """Make the scripts importable by their names, as they import each other."""
    for folder in ("speed", "quality", "published"):
        monkeypatch.syspath_prepend(BENCHMARKS / folder)


def picture(seed: int, size: tuple[int, int] = (80, 70)) -> Image.Image:
    random = np.random.default_rng(seed)
    return Image.fromarray(random.integers(0, 256, (5, 6, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def dgp_weights(tmp_path):
    """A folder as DGP publishes it, of 64 px, three classes and few channels."""
    import published_loop

    torch.manual_seed(0)
    networks = {
        "G_ema_64": published_loop.Generator(64, 4, 20, 3, 8, attention=32),
        "D_64": published_loop.Discriminator(64, 8, 3, attention=32),
        "G_ema_128": torch.nn.Linear(1, 1),
    }
    folder = tmp_path / "pretrained"
    folder.mkdir()
    for name, network in networks.items():
        torch.save(network.state_dict(), folder / f"{name}.pth")
    return folder


@pytest.fixture
def imagenet(tmp_path):
    """Validation pictures in class folders, more than the protocol takes."""
    for number, name in enumerate(("n01", "n02", "n03")):
        (tmp_path / "val" / name).mkdir(parents=True)
        for place in (2, 9):
            picture(10 * number + place).save(tmp_path / f"val/{name}/ILSVRC2012_val_{10 * number + place:08}.JPEG")
    return tmp_path / "val"


@pytest.fixture
def pulse_weights(tmp_path):
    """The files of PULSE, of 16 px."""
    torch.manual_seed(0)
    tensors = StyleGAN1(StyleGAN1Config((8, 6, 4), 10, 12, 2, 10)).state_dict()
    parts = {
        "synthesis": {n: t for n, t in tensors.items() if not n.startswith("mapping.") and "noise_const" not in n},
        "mapping": {n.removeprefix("mapping."): t for n, t in tensors.items() if n.startswith("mapping.dense")},
        "gaussian_fit": {"mean": torch.zeros(10), "std": torch.ones(10)},
    }
    folder = tmp_path / "pulse"
    folder.mkdir()
    for name, part in parts.items():
        torch.save(part, folder / f"{name}.pt")
    return folder


@pytest.fixture
def faces(tmp_path):
    (tmp_path / "faces").mkdir()
    for number in range(3):
        picture(number, (16, 16)).save(tmp_path / f"faces/{number}.png")
    return tmp_path / "faces"

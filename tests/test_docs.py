"""The code in docs/ runs as it is written there."""

import re
from pathlib import Path

import pytest
import torch

import generators
from generators import FetchError

DOCS = Path(__file__).resolve().parents[1] / "docs"


def read_blocks(name, language):
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / name).read_text(encoding="utf-8"), re.S | re.M)


@pytest.mark.weights
def test_other_generators(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("generators.registry._makers", dict(generators.registry._makers))
    exec(compile("\n".join(read_blocks("other-generators.md", "python")), "other-generators.md", "exec"), {})
    for name, side, classes, depth in (("dcgan-faces", 64, 0, 3), ("dcgan-eyes", 128, 8, 1)):
        try:
            prior = generators.load(name)
        except FetchError as error:
            pytest.skip(f"left out: {error}")
        random = torch.Generator().manual_seed(0)
        first, second = prior.generator(prior.generator.sample(2, generator=random))
        assert first.shape == (3, side, side) and len(prior.generator.info.classes) == classes
        assert prior.generator.depth == depth and prior.discriminator is None
        # Pictures of a trained generator are smooth: neighbouring pixels differ far less than pictures do.
        assert (first[:, 1:] - first[:, :-1]).abs().mean() < 0.5 * (first - second).abs().mean()

"""What a run leaves can be loaded, shows what the averaged network shows, and can be trained on."""

import pytest
import torch
from click.testing import CliRunner

import generators
from generators.training.command import main
from generators.training.export import save
from generators.training.export.save import LARGEST, round_to_half, write_scores
from generators.training.loop import checkpoint
from generators.training.loop.average import make_inference_copy
from generators.training.loop.data import read_pictures
from generators.training.loop.networks import load_pair
from tests.generators.training.runs import TINY, archive, trained


def restored(data, out):
    return checkpoint.resume(checkpoint.load_state(out), read_pictures(data), lambda settings: settings, "cpu")


@pytest.mark.parametrize("arch", TINY)
def test_the_exported_prior_renders_what_the_run_has(arch, tmp_path):
    data, out = archive(tmp_path / "data.zip", TINY[arch][0], 40), tmp_path / "tiny"
    trained(arch, data, out, "--pictures 32 --licence CC0")
    path = out / "tiny-G_ema.safetensors"
    prior = generators.load(path)
    own = make_inference_copy(restored(data, out).average, save.BATCHES)
    latents = prior.generator.sample(6, generator=torch.Generator().manual_seed(0))
    stored = round_to_half(own).float().state_dict()
    assert all(torch.equal(value, stored[name]) for name, value in prior.generator.state_dict().items())
    assert (prior.generator(latents) - own(latents)).abs().max() < 2 / 255  # what float16 costs
    assert (prior.generator(latents) - round_to_half(own).float()(latents)).abs().max() < 1e-5
    alone = prior.generator({name: value[:1] for name, value in latents.items()})
    assert (prior.generator(latents)[:1] - alone).abs().max() < 1e-5
    assert prior.discriminator is not None and prior.generator.info.classes == ("airplane", "truck")
    assert prior.card.licence == "CC0" and "32 generated pictures" in prior.card.text
    assert prior.card.text == (out / "tiny-card.md").read_text()
    assert all(file.stat().st_size < LARGEST for file in out.glob("*.safetensors"))

    write_scores(path, ["frechet 1.23"])
    again = generators.load(path)
    assert "frechet 1.23" in again.card.text and "## Limits" in again.card.text
    assert torch.equal(again.generator(latents), prior.generator(latents))

    plain = f"--arch {arch} --data {data} --out {tmp_path / 'on'} --batch 8 --pictures 40 --from {path} --seen 32"
    result = CliRunner().invoke(main, plain.split(), catch_exceptions=False)
    assert result.exit_code == 0 and checkpoint.load_state(tmp_path / "on")["steps"] == 1


def test_training_begins_with_weights_in_the_published_layout(tmp_path):
    prior = generators.load("toy")
    torch.save(prior.generator.state_dict(), tmp_path / "G_ema.pth")
    torch.save(prior.discriminator.state_dict(), tmp_path / "D.pth")
    generator, discriminator = load_pair(tmp_path / "G_ema.pth", "biggan", 32, ("a", "b", "c"))
    latents = prior.generator.sample(2)
    assert torch.equal(generator.eval()(latents), prior.generator(latents))
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(discriminator.logit(x), prior.discriminator.logit(x))

"""Banks: what they hold is what the prior draws; they are kept, they grow, and damaged files are made anew."""

import pytest
import torch

import generators
from generators import bank as banks
from generators.bank import get_bank
from generators.caching.disk_cache import serialise


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DGP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(banks, "SHARD", 12)
    return tmp_path / "cache" / "bank"


@pytest.fixture
def counted():
    """A toy prior of one's own, and the number of pictures that its generator has made."""
    prior, made = generators.load("toy"), []
    prior.generator.register_forward_hook(lambda network, arguments, pictures: made.append(len(pictures)))
    return prior, made


def same(one, other):
    return (
        torch.equal(one.thumbnails, other.thumbnails)
        and torch.equal(one.classes, other.classes)
        and all(torch.equal(value, other.drawn[name]) for name, value in one.drawn.items())
    )


def test_thumbnails_are_of_the_pictures_that_the_latents_give(counted):
    prior, _ = counted
    bank = get_bank(prior, 20)
    assert len(bank) == 20 and bank.thumbnails.shape == (20, 3, 32, 32) and bank.thumbnails.dtype == torch.uint8
    index = torch.tensor([17, 3])
    with torch.no_grad():
        pictures = prior.generator(bank.latents(index, prior.generator))
    shown = torch.stack([bank.pictures(slice(i, i + 1))[0] for i in index.tolist()])
    assert (shown - pictures).abs().max() <= 1 / 255 + 1e-4


def test_classes_are_spread_evenly_and_z_is_standard_normal(counted):
    bank = get_bank(counted[0], 36)
    assert bank.classes.bincount().tolist() == [12, 12, 12]
    assert bank.classes[:3].sort().values.tolist() == [0, 1, 2]
    assert abs(float(bank.drawn["z"].std()) - 1) < 0.1


def test_what_was_made_is_found_again(counted, cache):
    prior, made = counted
    first = get_bank(prior, 24)
    made.clear()
    assert same(get_bank(generators.load("toy"), 24), first), "from the disk"
    assert same(get_bank(prior, 24), first) and not made
    assert len(list(cache.iterdir())) == 2
    assert not same(get_bank(prior, 24, seed=1), first)


def test_a_larger_bank_goes_on_where_the_smaller_ended(counted):
    prior, made = counted
    small = get_bank(prior, 10)
    made.clear()
    large = get_bank(prior, 30)
    assert same(large.first(10), small) and sum(made) == 24
    assert same(get_bank(generators.load("toy"), 30), large)


@pytest.mark.parametrize("damage", ["empty", "truncated", "one bit", "another's", "half of it"])
def test_a_damaged_file_is_made_anew(counted, cache, damage):
    prior, made = counted
    bank = get_bank(prior, 12)
    (file,) = cache.iterdir()
    whole, tensors = file.read_bytes(), {"thumbnails": bank.thumbnails, "class": bank.classes} | bank.drawn
    file.write_bytes(
        {
            "empty": b"",
            "truncated": whole[:-3],
            "one bit": whole[:-1] + bytes([whole[-1] ^ 1]),
            "another's": serialise(tensors | {"thumbnails": bank.thumbnails[..., :16]}),
            "half of it": serialise({name: value[:6] for name, value in tensors.items()}),
        }[damage]
    )
    made.clear()
    assert same(get_bank(generators.load("toy"), 12), bank)
    assert file.read_bytes() == whole


def test_a_prior_without_sha256_keeps_its_own_in_memory(counted, cache):
    prior, made = counted
    nameless = generators.Prior("nameless", prior.generator, None, prior.card, "")
    bank = get_bank(nameless, 12)
    made.clear()
    assert same(get_bank(nameless, 12), bank) and not made and not cache.exists()
    another = generators.Prior("nameless", prior.generator, None, prior.card, "")
    assert same(get_bank(another, 12), bank) and sum(made) == 12


def test_large_pictures_are_kept_small():
    x = torch.linspace(-1, 1, 256).expand(1, 3, 256, 256)
    small = banks.make_thumbnails(x, 64)
    assert small.shape == (1, 3, 64, 64)
    expected = (x.unflatten(-1, (64, 4)).mean(-1)[:, :, ::4] + 1) * 127.5
    assert (small[..., 1:-1] - expected[..., 1:-1]).abs().max() <= 1


def test_networks_without_classes_and_with_latents_of_any_shape():
    from torch import nn

    network = nn.Sequential(nn.ConvTranspose2d(2, 3, 8), nn.Tanh())
    prior = generators.wrap(network, (2, 1, 1), resolution=8)
    bank = get_bank(prior, 12)
    assert bank.classes is None and bank.drawn["z"].shape == (12, 2, 1, 1) and bank.thumbnails.shape[-1] == 8
    assert bank.latents(torch.tensor([5]), prior.generator).keys() == {"z"}

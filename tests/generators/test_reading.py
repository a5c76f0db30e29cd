"""Files of weights: recognised whatever wraps them, refused in one line when unusable, and never executed."""

import os
import pickle
from importlib.metadata import EntryPoint

import pytest
import torch
from safetensors.torch import save_file

import generators
from generators import UnknownPrior, WeightsError
from generators.biggan import BigGANDiscriminator, DiscriminatorConfig
from generators.random_init import initialise


@pytest.fixture(scope="module")
def toy():
    return generators.load("toy")


@pytest.fixture
def state(toy):
    return {name: v.clone() for name, v in toy.generator.state_dict().items()}


def same(prior, toy):
    latents = toy.generator.sample(2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return torch.allclose(prior.generator(latents), toy.generator(latents), atol=1e-5)


class Runs:
    """A pickle of this writes a file when it is opened by anything that executes pickles."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self.canary),)


@pytest.mark.parametrize("wrap", ["bare pickle", "inside torch.save", "beside tensors"])
def test_nothing_in_a_file_is_executed(wrap, tmp_path, state):
    canary, file = tmp_path / "canary", tmp_path / "G.pth"
    if wrap == "bare pickle":
        file.write_bytes(pickle.dumps(Runs(canary)))
    else:
        torch.save(Runs(canary) if wrap == "inside torch.save" else state | {"extra": Runs(canary)}, file)
    with pytest.raises(WeightsError) as caught:
        generators.load(file)
    assert not canary.exists() and "\n" not in str(caught.value) and str(file) in str(caught.value)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("damage", ["empty", "text", "truncated", "noise"])
def test_damaged_files_are_refused_in_one_line(suffix, damage, tmp_path, state):
    file = tmp_path / f"G{suffix}"
    save_file(state, file) if suffix == ".safetensors" else torch.save(state, file)
    whole = file.read_bytes()
    file.write_bytes(
        {
            "empty": b"",
            "text": b"these are no weights\n" * 9,
            "truncated": whole[: len(whole) // 2],
            "noise": bytes(range(256)) * 40,
        }[damage]
    )
    with pytest.raises(WeightsError) as caught:
        generators.load(file)
    assert "\n" not in str(caught.value)


def test_a_header_that_promises_too_much_is_refused(tmp_path):
    file = tmp_path / "G.safetensors"
    text = b'{"linear.weight":{"dtype":"F32","shape":[1000000000,1000000],"data_offsets":[0,4000000000000000]}}'
    file.write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(WeightsError, match="safetensors"):
        generators.load(file)


def test_missing_and_unexpected_tensors_are_named(tmp_path, state):
    file = tmp_path / "G.pth"
    torch.save({k: v for k, v in state.items() if k != "blocks.1.0.conv2.weight"}, file)
    with pytest.raises(WeightsError, match=r"1 missing \(blocks.1.0.conv2.weight\)"):
        generators.load(file)
    torch.save(state | {"blocks.0.0.conv9.weight": torch.zeros(1)}, file)
    with pytest.raises(WeightsError, match=r"1 unexpected \(blocks.0.0.conv9.weight\)"):
        generators.load(file)


def test_wrong_shapes_and_numbers_are_named(tmp_path, state):
    file = tmp_path / "G.pth"
    torch.save(state | {"blocks.1.0.conv2.bias": torch.zeros(5)}, file)
    with pytest.raises(WeightsError, match=r"blocks.1.0.conv2.bias is \(5,\)"):
        generators.load(file)
    torch.save(state | {"linear.bias": state["linear.bias"] * torch.nan}, file)
    with pytest.raises(WeightsError, match="linear.bias holds NaN"):
        generators.load(file)


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {}, {"weights": torch.zeros(2)}])
def test_other_content_is_refused(tmp_path, content):
    file = tmp_path / "G.pth"
    torch.save(content, file)
    with pytest.raises(WeightsError):
        generators.load(file)


def test_sha256_is_checked(tmp_path, state, toy):
    file = tmp_path / "G.safetensors"
    save_file(state, file)
    right = generators.load(file).sha256
    assert same(generators.load(file, sha256=right), toy)
    with pytest.raises(WeightsError, match=f"{right}, expected {'0' * 64}"):
        generators.load(file, sha256="0" * 64)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: {"state_dict": s},
        lambda s: {f"module.{k}": v for k, v in s.items()},
        lambda s: s | {"blocks.0.0.in1.weight": torch.ones(8), "blocks.0.0.in1.bias": torch.ones(8)},
    ],
)
def test_relatives_of_the_layout_load(tmp_path, state, toy, wrap):
    file = tmp_path / "G.pth"
    torch.save(wrap(state), file)
    prior = generators.load(file)
    assert same(prior, toy) and prior.assumed


def test_conversions_from_tensorflow_hub_have_other_epsilons(tmp_path, state):
    torch.save({k: v for k, v in state.items() if not k.endswith("sv0")}, tmp_path / "G.pth")
    prior = generators.load(tmp_path / "G.pth")
    assert prior.generator.config.bn_eps == 1e-4 and "TensorFlow Hub" in prior.assumed[0]


def test_accumulated_statistics_are_divided_by_their_counter(tmp_path, state, toy):
    renamed = {}
    for name, v in state.items():
        if ".stored_" in name and name.startswith("blocks"):
            head, tail = name.rsplit(".", 1)
            renamed |= {f"{head}.bn.{tail}": v * 4, f"{head}.bn.accumulation_counter": torch.tensor([4.0])}
        else:
            renamed[name] = v
    torch.save(renamed, tmp_path / "G.pth")
    assert same(generators.load(tmp_path / "G.pth"), toy)


@pytest.mark.parametrize(("file", "name"), [("G_ema_32.pth", "faces"), ("cats-G_ema.pth", "cats-G_ema")])
def test_a_file_without_a_name_of_its_own_is_called_after_its_folder(tmp_path, state, file, name):
    (tmp_path / "faces").mkdir()
    torch.save(state, tmp_path / "faces" / file)
    assert generators.load(tmp_path / "faces").name == name


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_name_is_no_folder(empty):
    with pytest.raises(generators.UnknownPrior, match="empty name"):
        generators.load(empty)


@pytest.mark.parametrize(
    ("g", "d"), [("G_ema_32.pth", "D_32.pth"), ("mine-G_ema.pth", "mine-D.pth"), ("G.pth", "D.pth")]
)
def test_the_discriminator_is_found_beside(tmp_path, state, toy, g, d):
    torch.save(state, tmp_path / g)
    torch.save(toy.discriminator.state_dict(), tmp_path / d)
    for place in (tmp_path, tmp_path / g):
        assert generators.load(place).discriminator is not None
    (tmp_path / d).unlink()
    alone = generators.load(tmp_path)
    assert alone.discriminator is None and any("no discriminator" in text for text in alone.assumed)


def test_parts_that_do_not_belong_together_are_refused(tmp_path, state, toy):
    torch.save(toy.discriminator.state_dict(), tmp_path / "D.pth")
    with pytest.raises(WeightsError, match="a discriminator.*expected a BigGAN generator"):
        generators.load(tmp_path / "D.pth")
    other = BigGANDiscriminator(DiscriminatorConfig(64, 1, 3))
    initialise(other, 0)
    torch.save(state, tmp_path / "G.pth")
    torch.save(other.state_dict(), tmp_path / "D.pth")
    with pytest.raises(WeightsError, match="64 px.*32 px"):
        generators.load(tmp_path / "G.pth")


def test_what_a_file_says_of_itself_is_kept(tmp_path, state):
    said = '{"SN_eps": 1e-3, "BN_eps": 2e-5, "classes": ["red", "green", "blue"], "licence": "CC0"}'
    save_file(state, tmp_path / "G.safetensors", metadata={"dgp": said})
    prior = generators.load(tmp_path / "G.safetensors")
    assert prior.generator.info.classes == ("red", "green", "blue") and prior.card.licence == "CC0"
    assert prior.generator.config.sn_eps == 1e-3 and prior.generator.config.bn_eps == 2e-5


def test_names_and_places_that_are_not_there(tmp_path):
    with pytest.raises(UnknownPrior, match="did you mean 'biggan-cifar10'"):
        generators.load("biggan-cifar")
    with pytest.raises(UnknownPrior, match="no such file"):
        generators.load(tmp_path / "nowhere.pth")
    with pytest.raises(UnknownPrior, match="no generator in it"):
        generators.load(tmp_path)
    for name in ("G_ema_128.pth", "G_ema_256.pth"):
        torch.save({}, tmp_path / name)
    with pytest.raises(UnknownPrior, match="several generators"):
        generators.load(tmp_path)


def test_registered_names_are_not_taken_twice():
    with pytest.raises(ValueError, match="already registered"):
        generators.register("toy")(lambda: None)


def test_installed_packages_offer_priors(monkeypatch, toy):
    from generators import registry

    offered = [
        EntryPoint("offered", "generators.random_init:toy", registry.GROUP),
        EntryPoint("broken", "no_such_package:prior", registry.GROUP),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: offered)
    monkeypatch.setattr(registry, "_makers", dict(registry._makers))
    assert {"offered", "broken", "toy"} <= set(generators.names())
    assert same(generators.load("offered"), toy)
    with pytest.raises(WeightsError, match="'broken' of no_such_package:prior failed to import"):
        generators.load("broken")

"""What loading does with files, headers and names that do not fit: one line that says what is wrong."""

import shutil
import zipfile
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import generators
from generators import UnknownPrior, WeightsError
from generators.biggan import BigGANDiscriminator, DiscriminatorConfig


@pytest.fixture(scope="module")
def toy():
    return generators.load("toy")


@pytest.fixture
def state(toy):
    return {name: v.clone() for name, v in toy.generator.state_dict().items()}


def refused(file, *words):
    with pytest.raises(WeightsError) as caught:
        generators.load(file)
    text = str(caught.value)
    assert "\n" not in text and str(file) in text and all(word in text for word in words), text


KEYS = [
    "linear.weight",
    "output_layer.2.weight",
    "blocks.0.0.conv1.weight",
    "blocks.0.0.conv1.u0",
    "blocks.0.0.conv_sc.weight",
    "blocks.0.0.bn1.gain.weight",
    "blocks.1.0.bn2.stored_var",
    "shared.weight",
]


@pytest.mark.parametrize("name", KEYS)
def test_whatever_is_missing_is_named(tmp_path, state, name):
    del state[name]
    save_file(state, tmp_path / "G.safetensors")
    refused(tmp_path / "G.safetensors", f"1 missing ({name})")


def test_what_is_missing_from_a_discriminator_is_named(tmp_path, state, toy):
    torch.save(state, tmp_path / "G.pth")
    judge = toy.discriminator.state_dict()
    torch.save({k: v for k, v in judge.items() if k != "embed.weight"}, tmp_path / "D.pth")
    with pytest.raises(WeightsError, match=r"D.pth: 1 missing \(embed.weight\)"):
        generators.load(tmp_path / "G.pth")


def sparse(state):
    return state | {"linear.weight": state["linear.weight"].to_sparse()}


STRANGE = {
    "numbers for names": (lambda s: s | {1: torch.zeros(2)}, "named tensors"),
    "a block without a number": (lambda s: s | {"blocks.x.0": torch.zeros(1)}, "1 unexpected (blocks.x.0)"),
    "one axis too few": (lambda s: s | {"linear.weight": torch.zeros(3)}, "do not make up a BigGAN generator"),
    "sparse": (sparse, "linear.weight is sparse"),
    "whole numbers": (lambda s: s | {"linear.bias": s["linear.bias"].int()}, "linear.bias holds torch.int32"),
    "complex": (lambda s: s | {"linear.bias": s["linear.bias"].to(torch.complex64)}, "torch.complex64"),
    "BigGAN-deep": (lambda s: s | {"blocks.0.0.conv3.weight": torch.zeros(1)}, "BigGAN-deep"),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_strange_tensors_are_refused(tmp_path, state, kind):
    change, words = STRANGE[kind]
    torch.save(change(state), tmp_path / "G.pth")
    refused(tmp_path / "G.pth", words)


def test_half_precision_loads_as_single(tmp_path, state, toy):
    torch.save({k: v.half() for k, v in state.items()}, tmp_path / "G.pth")
    network = generators.load(tmp_path / "G.pth").generator
    assert {v.dtype for v in network.state_dict().values()} == {torch.float32}
    latents = toy.generator.sample(2, generator=torch.Generator().manual_seed(0))
    assert (network(latents) - toy.generator(latents)).abs().max() < 0.05


def test_a_small_file_cannot_ask_for_much_memory(tmp_path, state):
    endless = torch.zeros(1).expand(4 * 10**11)  # 1.6 TB of one zero
    torch.save(state | {"linear.bias": endless}, tmp_path / "G.pth")
    refused(tmp_path / "G.pth", "larger than the file")


def test_a_wide_first_layer_alone_does_not_build_a_wide_network(tmp_path, state):
    # Layers are as wide as this one says: a network of this width has more than 10^13 weights.
    state["linear.weight"] = torch.zeros(16 * 4 * 10**6, 1)
    save_file(state, tmp_path / "G.safetensors")
    refused(tmp_path / "G.safetensors", "expected (")


def test_packed_archives_are_refused(tmp_path, state):
    torch.save(state | {"linear.bias": torch.zeros(10**6)}, tmp_path / "plain.pth")
    with (
        zipfile.ZipFile(tmp_path / "plain.pth") as plain,
        zipfile.ZipFile(tmp_path / "G.pth", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    refused(tmp_path / "G.pth", "unpacks to more")


HEADERS = {
    '{"SN_eps": "small", "BN_eps": 1e-5}': "SN_eps 'small', expected a positive number",
    '{"SN_eps": 1e-6, "BN_eps": -1}': "BN_eps -1, expected a positive number",
    '{"SN_eps": NaN, "BN_eps": 1e-5}': "SN_eps nan, expected a positive number",
    '{"classes": 3}': "not a list of names",
    '{"classes": [1, 2, 3]}': "not a list of names",
    '{"classes": ["one", "two"]}': "names 2 classes, but its tensors have 3",
}


@pytest.mark.parametrize("said", HEADERS)
def test_headers_that_make_no_sense_are_refused(tmp_path, state, said):
    save_file(state, tmp_path / "G.safetensors", metadata={"dgp": said})
    refused(tmp_path / "G.safetensors", HEADERS[said])


def test_foreign_headers_are_no_concern(tmp_path, state):
    save_file(state, tmp_path / "G.safetensors", metadata={"dgp": "not JSON", "format": "pt"})
    assert generators.load(tmp_path / "G.safetensors").assumed


def test_the_sha256_is_checked_before_anything_is_read(tmp_path):
    (tmp_path / "G.pth").write_bytes(b"not even weights")
    with pytest.raises(WeightsError, match="sha256"):
        generators.load(tmp_path / "G.pth", sha256="0" * 64)
    right = generators.load("biggan-cifar10").sha256
    assert generators.load("biggan-cifar10", sha256=right.upper()).sha256 == right
    with pytest.raises(WeightsError, match=f"{right}, expected {'0' * 64}"):
        generators.load("biggan-cifar10", sha256="0" * 64)


def test_changed_bundled_files_are_refused(tmp_path, monkeypatch):
    from generators import builtin as catalog

    shutil.copytree(catalog.BUNDLED, tmp_path / "bundled")
    monkeypatch.setattr(catalog, "BUNDLED", tmp_path / "bundled")
    assert generators.load("biggan-cifar10").discriminator is not None
    for name in catalog.SHA256:
        file = Path(tmp_path / "bundled" / name)
        whole = file.read_bytes()
        file.chmod(0o644)
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(WeightsError, match=f"{name}: its sha256 is"):
            generators.load(name.rsplit("-", 1)[0])
        file.write_bytes(whole)


def test_a_discriminator_given_with_a_name_is_used(tmp_path, toy):
    changed = {k: v * 2 if k == "linear.bias" else v for k, v in toy.discriminator.state_dict().items()}
    changed["linear.bias"] = changed["linear.bias"] + 1
    torch.save(changed, tmp_path / "D.pth")
    prior = generators.load("toy", discriminator=tmp_path / "D.pth")
    assert torch.equal(prior.discriminator.linear.bias, changed["linear.bias"])
    assert any("discriminator" in words for words in prior.assumed)
    torch.save(BigGANDiscriminator(DiscriminatorConfig(64, 1, 3)).state_dict(), tmp_path / "D.pth")
    with pytest.raises(WeightsError, match="64 px, but toy makes 32 px"):
        generators.load("toy", discriminator=tmp_path / "D.pth")
    with pytest.raises(UnknownPrior, match="no such file"):
        generators.load("toy", discriminator=tmp_path / "none.pth")


def test_a_folder_called_like_a_prior_does_not_hide_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy").mkdir()
    assert generators.load("toy").name == "toy"
    with pytest.raises(UnknownPrior, match="no generator in it"):
        generators.load("./toy")


@pytest.mark.parametrize(
    ("g", "d", "others"),
    [
        ("G_ema_cifar10.pth", "D_cifar10.pth", ("x-G_ema.safetensors", "x-D.safetensors")),
        ("G.pth", "D.pth", ("G_optim.pth", "D_optim.pth")),
        ("BigGAN-G.safetensors", "BigGAN-D.pth", ()),
        ("biggan_G_ema_256.pth", "biggan_D_256.pth", ()),
    ],
)
def test_published_names_in_a_folder(tmp_path, state, toy, g, d, others):
    for name, tensors in ((g, state), (d, toy.discriminator.state_dict())):
        save_file(tensors, tmp_path / name) if name.endswith("safetensors") else torch.save(tensors, tmp_path / name)
    for name in others:
        (tmp_path / name).write_bytes(b"not to be opened")
    if g.startswith(("G", "BigGAN")):
        assert generators.load(tmp_path).discriminator is not None
    assert generators.load(tmp_path / g).discriminator is not None


def test_the_real_files_load_as_a_folder(shared):
    folder, bundled = generators.load(shared / "priors"), generators.load("biggan-cifar10")
    alone = generators.load(shared / "priors" / "G_ema_cifar10.pth")
    for network in ("generator", "discriminator"):
        theirs, same, like = (getattr(one, network).state_dict() for one in (folder, alone, bundled))
        assert theirs.keys() == same.keys() == like.keys()
        assert all(torch.equal(v, same[name]) and v.shape == like[name].shape for name, v in theirs.items())


def test_names_of_installed_packages_collide_loudly(monkeypatch):
    from generators import registry

    ours, other = "generators.random_init:toy", "generators.builtin:biggan_cifar10"
    monkeypatch.setattr(registry, "_makers", dict(registry._makers))
    offered = [EntryPoint("toy", other, registry.GROUP)]
    monkeypatch.setattr(registry, "entry_points", lambda group: offered)
    with pytest.raises(WeightsError, match="already registered by generators.random_init"):
        generators.load("toy")
    offered[:] = [EntryPoint("toy", ours, registry.GROUP)]  # registered on import as well: the same thing twice
    assert generators.load("toy").name == "toy"
    offered[:] = [EntryPoint("mine", "builtins:dict", registry.GROUP)]
    with pytest.raises(WeightsError, match="gave a dict, expected a Prior"):
        generators.load("mine")


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (3, "got class 3, expected 0 to 2"),
        (-1, "got class -1"),
        (torch.tensor([0, 7]), "got class 7"),
        (torch.tensor([0, 1, 2]), "shape (3,) for 2 rows"),
    ],
)
def test_classes_that_are_not_there(toy, classes, words):
    with pytest.raises(generators.ClassError) as caught:
        toy.generator.sample(2, classes=classes)
    assert words in str(caught.value)


def test_loading_leaves_the_global_random_state_alone(toy):
    before = torch.random.get_rng_state()
    for name in ("toy", "biggan-cifar10"):
        generators.load(name)
    generators.randomise(toy, 1)
    assert torch.equal(torch.random.get_rng_state(), before)

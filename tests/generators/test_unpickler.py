"""NVIDIA's pickles, read without running them: tensors bit for bit, names as of a state dict, arguments as data."""

import json
import pickle

import pytest
import torch

from generators import WeightsError
from generators.checkpoints.reading.read import read_checkpoint
from tests.generators.nvidia_pickles import Network, dumps, tiny_networks


def read(tmp_path, data, name="ffhq.pkl"):
    (tmp_path / name).write_bytes(data)
    return read_checkpoint(tmp_path / name)


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) and a[k].dtype == b[k].dtype for k in a)


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_networks_are_read_bit_for_bit(tmp_path, protocol):
    content, tensors = tiny_networks()
    checkpoint = read(tmp_path, dumps(content, protocol=protocol))
    assert checkpoint.parts.keys() == {"G", "D", "G_ema"}
    part = checkpoint.parts["G_ema"]
    assert equal(part.tensors, tensors) and part.class_name == "Generator"
    assert list(checkpoint.parts["D"].tensors) == ["b4.weight"]


def test_arguments_are_plain_data(tmp_path):
    said = read(tmp_path, dumps(tiny_networks()[0])).parts["G_ema"].metadata
    expected = {
        "z_dim": 8, "c_dim": 0, "mapping_kwargs": {"num_layers": 2}, "clamp": None, "taps": [1, 3, 3, 1], "rate": 0.5
    }  # fmt: skip
    assert said == expected and json.loads(json.dumps(said)) == said


def test_the_suffix_does_not_matter(tmp_path):
    content, tensors = tiny_networks()
    assert equal(read(tmp_path, dumps(content), "G.pt").parts["G_ema"].tensors, tensors)
    torch.save({"a": torch.ones(2)}, tmp_path / "G.pth")
    assert list(read(tmp_path, (tmp_path / "G.pth").read_bytes(), "G.pkl").parts["network"].tensors) == ["a"]


def test_tensors_own_their_memory(tmp_path):
    content, tensors = tiny_networks()
    parts = read(tmp_path, dumps(content)).parts
    parts["D"].tensors["b4.weight"].zero_()
    assert equal(parts["G_ema"].tensors, tensors)


@pytest.mark.parametrize("name", ["c0", "c10"])
def test_published_files_agree_with_a_reader_that_runs_them(shared, name):
    file = shared / f"fixtures/nv_ada_tiny32_{name}_stripped.pkl"
    keys = json.loads((shared / f"fixtures/nv_ada_tiny32_{name}_keys.json").read_text())
    parts = read_checkpoint(file).parts
    for entry, expected in keys.items():
        assert {k: list(t.shape) for k, t in parts[entry].tensors.items()} == expected
    with open(file, "rb") as opened:
        trusted = Trusting(opened).load()
    for entry, part in parts.items():
        assert equal(part.tensors, dict(trusted[entry].walk("")))
        assert part.metadata == json.loads(json.dumps(trusted[entry].state["_init_kwargs"]))


class Module:
    def __init__(self, meta):
        self.state = meta["state"]

    def walk(self, prefix):
        for kind in ("_parameters", "_buffers"):
            for name, tensor in self.state[kind].items():
                if tensor is not None and name not in self.state["_non_persistent_buffers_set"]:
                    yield prefix + name, tensor.detach()
        for name, module in self.state["_modules"].items():
            yield from module.walk(f"{prefix}{name}.")


class Trusting(pickle.Unpickler):
    """Python's own reader, for the developers' files."""

    def find_class(self, module, name):
        ours = {"_reconstruct_persistent_obj": Module, "EasyDict": dict}
        return ours.get(name) or super().find_class(module, name)


REFUSED = {
    "no dictionary": (lambda: [1, 2], "got a list, expected a dictionary with G_ema"),
    "a network alone": (lambda: Network("Generator"), "got a Generator alone"),
    "no networks": (lambda: {"a": 1, "b\n": 2}, r"got a dictionary of a, b\\n, expected one with G_ema"),
    "StyleGAN-XL": (lambda: {"G_ema": Network("SuperresGenerator")}, "a SuperresGenerator .StyleGAN-XL, which"),
    "another class": (lambda: {"G_ema": Network("VGG16")}, "its G_ema is a VGG16, expected a Generator"),
    "swapped": (lambda: {"G": Network("Discriminator")}, "its G is a Discriminator, expected a Generator"),
    "no record": (lambda: {"G_ema": {"a": torch.ones(1)}}, "its G_ema is a dict, expected a pickled Generator"),
    "empty": (lambda: {"G_ema": Network("Generator")}, "its Generator holds no tensors"),
    "a number for a tensor": (lambda: {"G_ema": Network("Generator", buffers={"x": 3})}, "x is not a tensor"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_other_content_is_refused(tmp_path, kind):
    content, words = REFUSED[kind]
    with pytest.raises(WeightsError, match=words):
        read(tmp_path, dumps(content()))


def test_tensorflow_pickles_are_recognised(tmp_path):
    named = b"\x80\x04\x8c\x15dnnlib.tflib.network\x8c\x07Network\x93"
    data = named + b")\x81}\x8c\x07version" + b"K\x04sb" + b"."
    data = data.replace(b"\x8c\x15dnnlib.tflib.network", b"\x8c\x14dnnlib.tflib.network")
    with pytest.raises(WeightsError, match=r"TensorFlow pickle.*legacy.py.*or fetch the PyTorch file"):
        read(tmp_path, data)


def test_all_unknown_names_are_listed(tmp_path):
    import decimal
    import fractions

    content, _ = tiny_networks()
    strange = {"a": fractions.Fraction(1, 3), "b": [decimal.Decimal(2)], "c": print}
    with pytest.raises(WeightsError, match=r"names fractions.Fraction, decimal.Decimal, builtins.print\)"):
        read(tmp_path, dumps(content | {"training_set_kwargs": strange}))

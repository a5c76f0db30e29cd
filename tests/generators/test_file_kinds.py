"""Files that are not what they are called: whatever the name, the message names the kind and the next step."""

import gzip
import io
import struct
import tarfile
import warnings
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save

import generators
from dgp.cli.failures import exit_code, one_line
from generators import GeneratorError, WeightsError
from generators.checkpoints.reading.read import read_checkpoint
from tests.generators.nvidia_pickles import dumps, tiny_networks

NAMES = ("G.pth", "G.pt", "G.pkl", "G.safetensors", "G.bin", "G.ckpt", "G")


def zipped(*names, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as packed:
        for name in names:
            packed.writestr(name, bytes(20))
    return file.getvalue()


def tarred(*names, mode="w"):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as tar:
        for name in names:
            header = tarfile.TarInfo(name)
            header.size = 700
            tar.addfile(header, io.BytesIO(bytes(700)))
    return file.getvalue()


def torchscript():
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is deprecated
        torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), file)
    return file.getvalue()


def picture(form):
    file = io.BytesIO()
    Image.new("RGB", (9, 9)).save(file, form)
    return file.getvalue()


def array():
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 1234567\n"
QUOTA = b"\n<!DOCTYPE html><html><head><title>Google Drive - Quota\nexceeded</title></head><body>\xfc</body></html>"
GRAPH = b"\x0a\x2b\x0a\x05input\x12\x0bPlaceholder*\x0b\x0a\x05dtype\x12\x02\x30\x01"

# kind -> (content, words of the kind, words of the next step)
KINDS = {
    "Git LFS pointer": (POINTER, "a Git LFS pointer (of a file of 1,234,567 bytes)", "git lfs pull"),
    "git-annex pointer": (b"/annex/objects/SHA256E-s9--aa.pth\n", "a git-annex pointer", "git annex get"),
    "web page": (QUOTA, 'a web page ("Google Drive - Quota exceeded")', "in a browser"),
    "web page with a comment": (b"<!-- a --><HTML lang=en>", "a web page", "in a browser"),
    "an error of a store": (b"<?xml version='1.0'?><Error><Code>AccessDenied", "an XML text", "in a browser"),
    "text": (b"Not Found\n", "a text (it begins 'Not Found')", "in a browser"),
    "letters cut in two": ("é".encode() * 4096, "a text", "give the file of weights"),
    "JSON": (b'{\n "error": "gated"}', "a JSON text", "give the file of weights"),
    "TorchScript": (torchscript(), "a TorchScript archive", "torch.jit.load(FILE"),
    "exported": (zipped("G/archive_format", "G/models/model.json"), "(torch.export, .pt2)", "torch.export.load(FILE)"),
    "exported by 2.2": (zipped("version", "serialized_exported_program.json"), "(torch.export", "torch.export.load"),
    "torch.package": (zipped("G/a.py", "G/.data/extern_modules"), "torch.package archive", "save the state_dict"),
    "TorchServe": (zipped("MAR-INF/MANIFEST.json", "G.pth"), "TorchServe", "unpack it"),
    "ONNX of torch": (b"\x08\x08\x12\x07pytorch\x1a\x052.1.0:\xa1\x02\x0a", "an ONNX model", "save the state_dict"),
    "ONNX without a producer": (b"\x08\x07:\xa1\x02\x0a\x1b", "an ONNX model", "save the state_dict"),
    "SavedModel": (b"\x08\x01\x12\xa1\xb2\x01\x0a\xf0\x10\x12", "a TensorFlow SavedModel", "convert it to PyTorch"),
    "graph": (GRAPH, "a TensorFlow graph", "convert it to PyTorch"),
    "graph of a checkpoint": (b"\x0a\xd2\x1e\x12\xa1\x0e\x0a\x05\x0a\x03Add", "a TensorFlow graph", "convert it"),
    "index of a checkpoint": (bytes(99) + b"\x57\xfb\x80\x8b\x24\x75\x47\xdb", "a TensorFlow checkpoint", "convert it"),
    "TensorFlow Hub": (tarred("./variables/variables.index", "./saved_model.pb", mode="w:gz"), "SavedModel", "convert"),
    "SavedModel in a zip": (zipped("m/saved_model.pb"), "archive of a TensorFlow SavedModel", "convert it"),
    "Keras": (zipped("metadata.json", "config.json", "model.weights.h5"), "a Keras model", "convert it"),
    "Keras h5": (b"\x89HDF\r\n\x1a\n" + bytes(90), "an HDF5 file, as Keras", "convert it"),
    "zip of a folder": (zipped("run/", "run/G_ema.pth", "run/log.txt"), "a zip archive of run/G_ema.pth", "unpack it"),
    "zip, compressed": (zipped("a\n/b", compression=zipfile.ZIP_DEFLATED), "a zip archive of a\\n/b", "unpack it"),
    "tar of a folder": (tarred("run/log.txt", "run/G.pth"), "a tar archive of run/G.pth", "give the run/G.pth in it"),
    "tar.gz of a folder": (tarred("run/G.pth", mode="w:gz"), "a tar.gz archive of run/G.pth", "unpack it"),
    "gzip": (gzip.compress(bytes(999)), "a compressed file (gzip)", "unpack it"),
    "xz": (b"\xfd7zXZ\0" + bytes(30), "a compressed file (xz)", "unpack it"),
    "arrays": (zipped("a.npy", "b.npy"), "NumPy arrays", "save them as named tensors"),
    "array": (array(), "NumPy arrays", "save them as named tensors"),
    "PNG": (picture("PNG"), "a picture (PNG)", "give the file of weights"),
    "JPEG": (picture("JPEG"), "a picture (JPEG)", "give the file of weights"),
    "WebP": (picture("WEBP"), "a picture (WebP)", "give the file of weights"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3", "a PDF", "give the file of weights"),
    "empty": (b"", "the file is empty", "get it again"),
}  # fmt: skip


def refusal(path):
    with pytest.raises(GeneratorError) as caught:
        generators.load(path)
    said = str(caught.value)
    assert exit_code(caught.value) == 3 and said == one_line(caught.value) and said.isprintable()
    return said


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_and_the_next_step_are_named_under_every_name(tmp_path, kind):
    content, words, step = KINDS[kind]
    for name in NAMES:
        (tmp_path / name).write_bytes(content)
        said = refusal(tmp_path / name)
        assert str(tmp_path / name) in said and words in said and step in said, said
        assert "do not trust" not in said


@pytest.mark.parametrize("kind", KINDS)
def test_as_a_discriminator_and_in_a_folder(tmp_path, kind):
    content, words, step = KINDS[kind]
    (tmp_path / "G.pth").write_bytes(content)
    said = refusal(tmp_path)
    assert words in said and step in said
    with pytest.raises(WeightsError) as caught:
        generators.load("toy", discriminator=tmp_path / "G.pth")
    assert words in str(caught.value) and step in str(caught.value)


FOLDERS = {
    "SavedModel": ({"saved_model.pb": b"\x08\x01", "variables": None}, "a TensorFlow SavedModel", "convert it"),
    "checkpoint": ({"m.index": b"", "m.data-00000-of-00001": bytes(9)}, "a TensorFlow checkpoint", "convert it"),
    "unzipped": ({"data.pkl": b"\x80\x02}.", "version": b"3\n", "data": None}, "unpacked content", "leave it packed"),
    "ONNX": ({"README.md": b"text", "m.onnx": KINDS["ONNX of torch"][0]}, "m.onnx: is an ONNX model", "state_dict"),
    "Keras": ({"m.h5": KINDS["Keras h5"][0]}, "m.h5: is an HDF5 file", "convert it"),
    "pointer": ({"config.json": b"{}", "model.ckpt": POINTER}, "model.ckpt: is a Git LFS pointer", "git lfs pull"),
    "packed": ({"run.zip": KINDS["zip of a folder"][0]}, "run.zip: is a zip archive", "unpack it"),
}


@pytest.mark.parametrize("kind", FOLDERS)
def test_folders_of_other_kinds(tmp_path, kind):
    files, words, step = FOLDERS[kind]
    for name, content in files.items():
        (tmp_path / name).mkdir() if content is None else (tmp_path / name).write_bytes(content)
    said = refusal(tmp_path)
    assert words in said and step in said, said


def test_other_files_beside_the_weights_are_no_concern(tmp_path):
    torch.save(generators.load("toy").generator.state_dict(), tmp_path / "mine.pth")
    for name in ("m.onnx", "page.html"):
        (tmp_path / name).write_bytes(KINDS["ONNX of torch"][0])
    assert generators.load(tmp_path).generator.info.resolution == 32


def usable():
    state = {name: tensor.clone() for name, tensor in generators.load("toy").generator.state_dict().items()}
    files = {"safetensors": save(state)}
    for kind, new in (("torch", True), ("old torch", False)):
        file = io.BytesIO()
        torch.save(state, file, _use_new_zipfile_serialization=new)
        files[kind] = file.getvalue()
    return files | {"pickle": dumps(tiny_networks()[0])}


def test_weights_are_read_whatever_they_are_called(tmp_path):
    for kind, content in usable().items():
        read = []
        for name in NAMES:
            (tmp_path / name).write_bytes(content)
            parts = read_checkpoint(tmp_path / name).parts
            read.append({(part, key): v for part in parts for key, v in parts[part].tensors.items()})
        assert read[0] and all(tensors.keys() == read[0].keys() for tensors in read), kind
        assert all(torch.equal(tensors[key], v) for tensors in read for key, v in read[0].items()), kind


def test_weights_that_begin_like_another_kind(tmp_path):
    """The length of a header may be any letter; a file of weights is never taken for something else by it."""
    state = {name: tensor.clone() for name, tensor in generators.load("toy").generator.state_dict().items()}
    whole = save(state)
    length = struct.unpack("<Q", whole[:8])[0]
    for wanted in (ord("<"), ord("{"), 0x08, 0x0A):
        pad = (wanted - length) % 256
        padded = struct.pack("<Q", length + pad) + whole[8 : 8 + length] + b" " * pad + whole[8 + length :]
        (tmp_path / "G.pth").write_bytes(padded)
        assert generators.load(tmp_path / "G.pth").generator.info.resolution == 32


def test_a_directory_too_large_to_read_is_not_read(tmp_path):
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 9, 9, 2**30, 4, 0)
    (tmp_path / "G.pth").write_bytes(b"PK\x03\x04" + bytes(2000) + end)
    assert "not an archive that PyTorch wrote" in refusal(tmp_path / "G.pth")


def test_a_configuration_that_is_something_else(tmp_path):
    torch.save({"x": torch.zeros(1)}, tmp_path / "pytorch_model.bin")
    for kind in ("Git LFS pointer", "web page"):
        content, words, step = KINDS[kind]
        (tmp_path / "config.json").write_bytes(content)
        said = refusal(tmp_path)
        assert "config.json: is " in said and words in said and step in said

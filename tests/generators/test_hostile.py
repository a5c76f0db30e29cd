"""Files that mean harm: each is refused in one line, at once, in little memory, and nothing in it runs."""

import io
import json
import os
import pickle
import random
import resource
import struct
import tarfile
import time
import warnings
import zipfile

import pytest
import torch
from safetensors.torch import save

import generators
from dgp.cli.failures import exit_code, one_line
from generators import GeneratorError, WeightsError
from generators.checkpoints.reading.read import read_checkpoint
from tests.generators.hostile_pickles import CANARY, EXECUTING, SIZES, Runs
from tests.generators.nvidia_pickles import dumps, tiny_networks

MEMORY, SECONDS = 2**29, 10.0


@pytest.fixture
def confined(tmp_path, monkeypatch):
    """In a folder of its own, with half a GiB more memory than is in use."""
    monkeypatch.chdir(tmp_path)
    if not os.path.exists("/proc/self/statm"):
        pytest.skip("left out: what is in use is not known here, so that no limit can be set")
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, before[1]))
    yield tmp_path
    resource.setrlimit(resource.RLIMIT_AS, before)


def refused(path, words="", code=3):
    start = time.process_time()
    with pytest.raises(GeneratorError) as caught:
        generators.load(path)
    assert time.process_time() - start < SECONDS
    said = str(caught.value)
    assert os.path.basename(path) in said and said.isprintable() and said == one_line(caught.value), said
    assert words in said and exit_code(caught.value) == code, said
    assert not os.path.exists(CANARY)


def written(folder, data, file="G_ema.pkl"):
    (folder / file).write_bytes(data)
    return folder / file


@pytest.mark.parametrize("kind", EXECUTING)
def test_nothing_in_a_pickle_runs(confined, kind):
    data, words = EXECUTING[kind]
    for file in ("G_ema.pkl", "G_ema.pt", "G_ema.safetensors", "G_ema"):
        refused(written(confined, data, file), words)


@pytest.mark.parametrize("kind", SIZES)
def test_pickles_take_no_more_than_they_bring(confined, kind):
    data, words = SIZES[kind]
    refused(written(confined, data), words)


def test_the_canary_would_sing(confined):
    pickle.loads(pickle.dumps(Runs()))
    assert os.path.exists(CANARY)


def test_pickles_cut_anywhere(confined):
    whole = dumps(tiny_networks()[0])
    for end in sorted({*range(1, 64), *range(64, len(whole), 97), len(whole) - 1}):
        with pytest.raises(WeightsError) as caught:
            read_checkpoint(written(confined, whole[:end]))
        assert "damaged, or cut short" in str(caught.value)


def test_pickles_with_a_byte_changed(confined):
    """Some changes are only other numbers; all others are refused, and nothing else happens."""
    whole, chance = dumps(tiny_networks()[0]), random.Random(0)
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 1, 4))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            read_checkpoint(written(confined, bytes(data)))
        except WeightsError as error:
            assert str(error).isprintable()


def archive(entries, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", compression) as packed:
        warnings.simplefilter("ignore")  # of names given twice, on purpose
        for name, data in entries:
            packed.writestr(name, data)
    return file.getvalue()


def torch_file(content, **options):
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


def entries_of(data):
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        return [(name, packed.read(name)) for name in packed.namelist()]


TENSORS = {"blocks.0.0.bn1.x": torch.zeros(1000)}
ENTRIES = entries_of(torch_file(TENSORS))


def two_directories():
    """Some readers take the directory at the place that the end names, some the one just before the end."""
    bomb = archive([(name, data + bytes(10**6)) for name, data in ENTRIES], zipfile.ZIP_DEFLATED)
    return bomb[: bomb.rindex(b"PK\x05\x06")] + archive(ENTRIES)


def legacy_tar():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            data = pickle.dumps(Runs())
            header = tarfile.TarInfo(name)
            header.size = len(data)
            tar.addfile(header, io.BytesIO(data))
    return file.getvalue()


def old_with_huge_storage():
    data = torch_file({"x": torch.zeros(1000)}, _use_new_zipfile_serialization=False)
    count = b"M\xe8\x03"  # 1000, as the pickle and the storage's own head have it
    assert data.count(count) >= 1
    return data.replace(count, b"\x8a\x06" + (2**44).to_bytes(6, "little"))


ARCHIVES = {
    "bomb": (archive([*ENTRIES, ("archive/zeros", bytes(10**8))], zipfile.ZIP_DEFLATED), "unpacks to more"),
    "names outside": (archive([*ENTRIES, ("../../canary/x", b"x")]), "not named as PyTorch names them"),
    "names from the root": (archive([*ENTRIES, ("/canary", b"x")]), "not named as PyTorch names them"),
    "names twice": (archive([*ENTRIES, ENTRIES[0]]), "not named as PyTorch names them"),
    "within another": (archive([("archive/data.pkl", torch_file(TENSORS))]), "uses instruction 0x50"),
    "two directories": (two_directories(), "not an archive that PyTorch wrote"),
    "with a comment": (torch_file(TENSORS)[:-2] + b"\x04\0more", "not an archive that PyTorch wrote"),
    "with something after": (torch_file(TENSORS) + bytes(99), "not an archive that PyTorch wrote"),
    "cut short": (torch_file(TENSORS)[:-30], "not an archive that PyTorch wrote"),
    "only a beginning": (b"PK\x03\x04", "not an archive that PyTorch wrote"),
    "reduce inside": (torch_file(Runs()), "could run code"),
    "reduce in an old file": (torch_file(Runs(), _use_new_zipfile_serialization=False), "could run code"),
    "a network of NVIDIA's inside": (torch_file({"G": torch.nn.Linear(1, 1)}), "could run code"),
    "huge storage in an old file": (old_with_huge_storage(), "damaged"),
    "tar": (legacy_tar(), "a tar archive"),
    "tar, compressed": (b"\x1f\x8b\x08" + bytes(600), "compressed file (gzip); unpack it"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ARCHIVES)
def test_archives_that_torch_would_not_write(confined, kind):
    data, words = ARCHIVES[kind]
    for file in ("G.pt", "G.pkl", "G.bin"):
        refused(written(confined, data, file), words)


def tensors_file(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def f32(shape, start, end):
    return {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}


SAFETENSORS = {
    "endless header": struct.pack("<Q", 2**62) + b"{}",
    "shape larger than the data": tensors_file({"x": f32([2**40], 0, 2**42)}),
    "shape that overflows": tensors_file({"x": f32([2**33, 2**33], 0, 4)}, bytes(4)),
    "two tensors of the same bytes": tensors_file({"x": f32([2], 0, 8), "y": f32([2], 0, 8)}, bytes(8)),
    "a hole": tensors_file({"x": f32([1], 4, 8)}, bytes(8)),
    "backwards": tensors_file({"x": f32([1], 8, 4)}, bytes(8)),
    "deep header": tensors_file(b'{"x":' * 10**5),
    "unknown numbers": tensors_file({"x": {"dtype": "PICKLE", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
}


@pytest.mark.parametrize("kind", SAFETENSORS)
def test_safetensors_that_lie(confined, kind):
    refused(written(confined, SAFETENSORS[kind], "G.safetensors"), "not a whole safetensors file")


CONFIG = {"resolution": 32, "ch": 2, "dim_z": 20, "n_classes": 3, "shared_dim": 6, "hier": True, "attention": [1]}
OWN = {
    "wide": ({"ch": 2**15}, "expected ("),
    "wider than any": ({"ch": 10**9}, "which no network has"),
    "many classes": ({"n_classes": 2**16}, "expected ("),
    "no number": ({"bn_eps": float("nan")}, "which no network has"),
    "a text": ({"ch": "2"}, "does not describe a valid biggan"),
    "a dictionary": ({"attention": {"a": 1}}, "which no network has"),
    "long list": ({"attention": list(range(10**5))}, "which no network has"),
    "deep list": ({"attention": [[[[[[[1]]]]]]]}, "which no network has"),
    "unknown setting": ({"code\n": "import os"}, "has the settings code\\n"),
    "another resolution": ({"resolution": 33}, "does not describe a valid biggan"),
}


@pytest.mark.parametrize("kind", OWN)
def test_headers_of_our_own_files_that_lie(confined, kind):
    change, words = OWN[kind]
    said = {"part": "generator", "architecture": "biggan", "config": CONFIG | change}
    tensors = {name: tensor.clone() for name, tensor in generators.load("toy").generator.state_dict().items()}
    refused(written(confined, save(tensors, {"dgp": json.dumps(said)}), "G.safetensors"), words)


@pytest.mark.parametrize("said", [{"architecture": "other\n"}, {"architecture": ["biggan"]}, {"classes": ["a", "b"]}])
def test_headers_of_our_own_files_that_do_not_fit(confined, said):
    said = {"part": "generator", "architecture": "biggan", "config": CONFIG} | said
    tensors = {name: tensor.clone() for name, tensor in generators.load("toy").generator.state_dict().items()}
    refused(written(confined, save(tensors, {"dgp": json.dumps(said)}), "G.safetensors"))


def test_what_is_no_file(confined):
    os.mkfifo(confined / "G.pkl")
    refused(confined / "G.pkl", "is not a regular file")
    (confined / "zero.pkl").symlink_to("/dev/zero")
    refused(confined / "zero.pkl", "is not a regular file")
    (confined / "gone.pkl").symlink_to("nowhere")
    refused(confined / "gone.pkl", "no such file", code=2)
    (confined / "folder.pkl").mkdir()
    refused(confined / "folder.pkl", "no generator in it", code=2)
    (confined / "empty.pkl").touch()
    refused(confined / "empty.pkl", "the file is empty")


def test_what_a_header_says_stays_on_a_line(confined):
    said = {"licence": "free\n\x1b[2Jreally", "data": ["a"] * 3, "classes": ["a", "b\n", "c"]}
    tensors = {name: tensor.clone() for name, tensor in generators.load("toy").generator.state_dict().items()}
    refused(written(confined, save(tensors, {"dgp": json.dumps(said)}), "G.safetensors"), "not a list of names")
    del said["classes"]
    card = generators.load(written(confined, save(tensors, {"dgp": json.dumps(said)}), "G.safetensors")).card
    assert card.licence == "free  [2Jreally" and card.data.isprintable()


def test_names_of_tensors_stay_on_the_line(confined):
    state = generators.load("toy").generator.state_dict()
    refused(written(confined, torch_file(state | {"a\n\x1b[31mb": torch.zeros(1)}), "G.pth"), "a\\n\\x1b[31mb")


def nested_key(depth):
    """A dictionary with a tuple in a tuple, and so on, for a key: its hash would exhaust the stack."""
    return b"\x80\x02})" + b"\x85" * depth + b"Ns."


def test_a_key_that_would_exhaust_the_stack(confined):
    inside = [(name, nested_key(10**6) if name.endswith("data.pkl") else data) for name, data in ENTRIES]
    refused(written(confined, archive(inside), "G.pth"), "has a tuple for a key")
    head = b"".join(pickle.dumps(one, 2) for one in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
    refused(written(confined, head + nested_key(10**6), "G.pth"), "has a tuple for a key")


def test_a_program_that_is_longer_than_any(confined):
    endless = b"\x80\x02" + b"N0" * 10**7
    inside = [(name, endless if name.endswith("data.pkl") else data) for name, data in ENTRIES]
    refused(written(confined, archive(inside), "G.pth"))


def test_tensors_without_values(confined):
    refused(written(confined, torch_file({"x": torch.empty(3, device="meta")}), "G.pth"), "without values")


def test_headers_of_other_texts_than_tensors(confined):
    tensors = {name: tensor.clone() for name, tensor in generators.load("toy").generator.state_dict().items()}
    for said in ("[" * 10**6, "[" * 10**4, "3", '{"part": [[[[]]]]}'):
        generators.load(written(confined, save(tensors, {"dgp": said}), "G.safetensors"))
    long = struct.pack("<Q", 2**24) + b'{"x":' + b" " * 2**24
    refused(written(confined, long, "G.safetensors"), "its header would have 16,777,216 bytes")


def test_names_that_no_file_can_have(confined):
    for name in ("a\0b.pth", "x" * 5000 + ".pth"):
        with pytest.raises(GeneratorError) as caught:
            generators.load(name)
        assert str(caught.value).isprintable() and exit_code(caught.value) == 2

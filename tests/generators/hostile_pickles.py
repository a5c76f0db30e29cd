"""Pickles written by hand, instruction by instruction, that do what no writer of networks does."""

import os
import pickle
import struct

import numpy
import torch

from tests.generators.nvidia_pickles import Network, dumps, tiny_networks

CANARY = "canary"  # a folder that whatever runs would make where the tests are
HUGE = 2**62


class Runs:
    """Opened by anything that executes pickles, it makes the canary."""

    def __reduce__(self):
        return os.mkdir, (CANARY,)


class ObjectArray:
    def __reduce__(self):
        return numpy.array([Runs()], dtype=object).__reduce__()


def program(*parts):
    return b"\x80\x04" + b"".join(parts) + b"."


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def raw(value):
    return b"B" + struct.pack("<I", len(value)) + value


def number(value):
    data = value.to_bytes(9, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def numbers(values):
    return b"(" + b"".join(map(number, values)) + b"t"


def name(path):
    module, _, last = path.rpartition(".")
    return text(module) + text(last) + b"\x93"


def call(path, *arguments):
    return name(path) + b"(" + b"".join(arguments) + b"tR"


def entry(key, value):
    return text(key) + value + b"s"


LOAD, RECORD = "torch.storage._load_from_bytes", "torch_utils.persistence._reconstruct_persistent_obj"
HOOKS = call("collections.OrderedDict")
MKDIR = call("posix.mkdir", text(CANARY))


def payload(count, data=b"", what=None):
    """A ``torch.save`` payload of the old format: a storage of ``count`` float32, or what the program ``what`` is."""
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + number(count) + b"NtQ"
    return b"".join(
        (
            pickle.dumps(0x1950A86A20F9469CFC6C, 2),
            pickle.dumps(1001, 2),
            pickle.dumps({"protocol_version": 1001, "little_endian": True}, 2),
            program(what or storage),
            pickle.dumps(["0"], 2),
            struct.pack("<q", count),
            data,
        )
    )


STORAGE = call(LOAD, raw(payload(4, bytes(16))))


def tensor(storage=STORAGE, offset=0, size=(4,), stride=(1,)):
    rest = (number(offset), numbers(size), numbers(stride), b"\x89", HOOKS)
    return call("torch._utils._rebuild_tensor_v2", storage, *rest)


def record(state, class_name="Generator"):
    """A persistent object whose source would make the canary."""
    source = f"import os; os.mkdir({CANARY!r})"
    said = {"type": text("class"), "version": number(6), "module_src": text(source), "class_name": text(class_name)}
    return call(RECORD, b"}" + b"".join(entry(key, value) for key, value in said.items()) + entry("state", state))


def generator(buffer=None, arguments=b"}"):
    """The program of {"G_ema": a generator of one buffer}."""
    state = b"}" + entry("_buffers", b"}" + entry("x", buffer or tensor())) + entry("_init_kwargs", arguments)
    return b"}" + entry("G_ema", record(state))


def laughs(levels):
    """Lists that hold the one before ten times. Takes the memo from its beginning."""
    return b"]\x94" + b"".join(b"](" + (b"h" + bytes([level])) * 10 + b"e\x94" for level in range(levels))


def laughing_modules(levels):
    module = Network("Leaf", buffers={"x": torch.zeros(1)})
    for _ in range(levels):
        module = Network("Branch", modules={str(i): module for i in range(10)})
    return dumps({"G_ema": Network("Generator", modules={"a": module})})


def cyclic_modules():
    again = b"}" + entry("again", record(b"h\x00") + b"\x94")
    return program(b"}\x94", entry("_modules", again), b"}", entry("G_ema", b"h\x01"))


def deep_modules(levels):
    module = record(b"}" + entry("_buffers", b"}" + entry("x", tensor())))
    for _ in range(levels):
        module = record(b"}" + entry("_modules", b"}" + entry("a", module)))
    return program(b"}", entry("G_ema", module))


# What it is -> (the file, words of its refusal).
EXECUTING = {
    "reduce": (pickle.dumps(Runs()), "names posix.mkdir"),
    "reduce, protocol 2": (pickle.dumps(Runs(), 2), "names posix.mkdir"),
    "reduce, protocol 0": (pickle.dumps(Runs(), 0), "could run code"),
    "beside networks": (dumps({**tiny_networks()[0], "x": Runs()}), "names posix.mkdir"),
    "nested payload": (program(generator(tensor(call(LOAD, raw(pickle.dumps(Runs())))))), "names posix.mkdir"),
    "nested payload of torch": (program(generator(call(LOAD, raw(payload(4, what=MKDIR))))), "names posix.mkdir"),
    "object array": (dumps({"G_ema": Network("Generator", sizes=ObjectArray())}), "other than plain numbers"),
    "object scalar": (
        program(call("numpy.core.multiarray.scalar", call("numpy.dtype", text("O8")), raw(pickle.dumps(Runs())))),
        "other than plain numbers",
    ),
    "fake class": (program(generator()), "an unknown layout (tensors x, ...)"),
    "path in a name": (program(name(RECORD), name("torch_utils.persistence.x.__globals__")), "x.__globals__"),
    "state of a name": (program(name("collections.OrderedDict"), b"}", entry("__setstate__", MKDIR), b"b"), "mkdir"),
    "state of a dict": (program(b"}", b"}", entry("__class__", text("x")), b"b"), "sets the state of a dict"),
    "state of a record": (program(record(b"}"), b"}", entry("x", text("x")), b"b"), "sets the state of a Record"),
    "call of a value": (program(b"}", b")R"), "calls a dict"),
    "call of a class": (program(name("numpy.ndarray"), numbers([9]), b"R"), "calls numpy.ndarray"),
    "new object": (program(name("os.mkdir"), text(CANARY), b"\x85\x81"), "names os.mkdir"),
    "new object with keywords": (program(name("os.mkdir"), b")}\x92"), "names os.mkdir"),
    "instance": (b"\x80\x02(" + text(CANARY) + b"iposix\nmkdir\n.", "instruction 0x69"),
    "object": (program(b"(", name("posix.mkdir"), text(CANARY), b"o"), "names posix.mkdir"),
    "extension registry": (program(b"\x82\x01"), "instruction 0x82"),
    "persistent id": (program(text("anything"), b"Q"), "a persistent id"),
    "persistent id in text": (b"\x80\x02Panything\n.", "instruction 0x50"),
    "out-of-band buffer": (program(b"\x97"), "instruction 0x97"),
}
SIZES = {
    "bytes": (program(b"\x8e" + struct.pack("<Q", HUGE)), "cut short"),
    "text": (program(b"\x8d" + struct.pack("<Q", HUGE)), "cut short"),
    "byte array": (program(b"\x96" + struct.pack("<Q", HUGE)), "cut short"),
    "integer": (program(b"\x8b" + struct.pack("<I", 2**31 - 1)), "an integer of 2147483647 bytes"),
    "frame": (program(b"\x95" + struct.pack("<Q", HUGE), b"]"), "got a list"),
    "memo": (program(b"]r" + struct.pack("<I", 2**32 - 1)), "got a list"),
    "name": (b"\x80\x02c" + b"x" * 10**6 + b"\nx\n.", "a name of more than"),
    "flood of sets": (program(b"\x8f" * 3_000_000), "longer program"),
    "deep tuples": (program(b")" + b"\x85" * 100_000), "got a tuple"),
    "deep marks": (program(b"(" * 100_000), "damaged"),
    "deep tuple for a key": (program(b"})" + b"\x85" * 100_000 + b"Ns"), "for a key"),
    "deep tuple for a size": (
        program(call("torch._utils._rebuild_tensor_v2", STORAGE, b")" + b"\x85" * 99_999, b")", b")")),
        "has a size that is negative",
    ),
    "storage": (program(generator(tensor(call(LOAD, raw(payload(2**40)))))), "cut short"),
    "tensor": (program(generator(tensor(size=(2**40,)))), "larger than its storage"),
    "tensor of no stride": (program(generator(tensor(size=(2**40,), stride=(0,)))), "larger than its storage"),
    "offset": (program(generator(tensor(offset=2))), "larger than its storage"),
    "negative offset": (program(generator(tensor(offset=-2))), "has a size that is negative"),
    "many axes": (program(generator(tensor(size=(1,) * 99, stride=(1,) * 99))), "has a shape that is not a tuple"),
    "array": (
        program(
            call("numpy.core.multiarray._reconstruct", name("numpy.ndarray"), numbers([0]), raw(b"b")),
            b"("
            + number(1)
            + numbers([2**30, 2**30])
            + call("numpy.dtype", text("f8"))
            + b"\x89"
            + raw(b"x" * 8)
            + b"tb",
        ),
        "larger than its bytes",
    ),
    "billion laughs": (program(laughs(30)), "got a list"),
    "billion laughs in arguments": (
        program(generator(arguments=b"}" + entry("a", b"(" + laughs(30) + b"t"))),
        "nest too deep",
    ),
    "billion modules": (laughing_modules(12), "more tensors"),
    "cycle in a list": (program(b"]\x94h\x00a"), "got a list"),
    "cycle in arguments": (program(generator(arguments=b"}" + entry("a", b"]\x94h\x00a"))), "nest too deep"),
    "cycle of modules": (cyclic_modules(), "more than 32 deep"),
    "deep modules": (deep_modules(200), "more than 32 deep"),
    "one payload many times": (
        program(raw(payload(2**18, bytes(2**20))), b"\x94](" + tensor(call(LOAD, b"h\x00")) * 2000 + b"e"),
        "more memory than the file holds",
    ),
    "one tensor many times": (
        program(raw(payload(2**18, bytes(2**20))), b"\x94", tensor(call(LOAD, b"h\x00"), size=(2**18,)), b"\x94")[:-1]
        + b"}"
        + entry(
            "G_ema", record(b"}" + entry("_buffers", b"}" + b"".join(entry(str(i), b"h\x01") for i in range(9999))))
        )
        + b".",
        "larger than the file",
    ),
    "endless names": (
        program(generator())[:-1] + b"(" + b"".join(name(f"os.{'x' * 200}{i}") for i in range(1000)) + b"t.",
        "xxx, ...",
    ),
}

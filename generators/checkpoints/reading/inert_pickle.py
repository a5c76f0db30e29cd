"""A reader of pickles that runs nothing.

A pickle is a program for a small stack machine. The standard library's imports and calls what the program names; this
one knows a fixed table of names (`generators.checkpoints.reading.inert_values`), whose values it makes itself, and nothing
else. The opcodes are those that Python 3 writes (protocols 2 to 5); see the standard library's ``pickletools``.

Bounds: a program has a limited number of instructions (going through a list that it made costs as many as the list is
long), bytes are slices of the file, copies of them are paid from an allowance as large as the file, and keys are flat,
so that nothing here recurses.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from generators.errors import WeightsError

MOST_INSTRUCTIONS = 300_000  # a whole StyleGAN2 has some thirty thousand
LONGEST_NUMBER = 64  # bytes of an integer
LONGEST_NAME = 300  # characters of "module.name"
MOST_SHOWN = 12
TENSORFLOW = {"dnnlib.tflib.network.Network", "tfutil.Network", "network.Network"}
# What Python's own containers and numbers raise when the program misuses them.
DAMAGE = (LookupError, TypeError, ValueError, OverflowError, AttributeError, struct.error)


class NotInert(Exception):
    """The program asks for something that is not read; the message says what. Becomes a WeightsError."""


@dataclass(frozen=True)
class Name:
    """A global of the table, by name only."""

    text: str


@dataclass(frozen=True)
class Unknown:
    """Stands for whatever would be made of a name that is not in the table."""

    text: str


@dataclass
class Allowance:
    """What a file may still take: instructions, and bytes to be copied."""

    instructions: int
    bytes: int

    def step(self, count: int = 1) -> None:
        self.instructions -= count
        if self.instructions < 0:
            raise NotInert("is a longer program than any network's; do not trust it")

    def copy(self, count: int) -> None:
        self.bytes -= count
        if self.bytes < 0:
            raise NotInert("asks for more memory than the file holds, which its writers never do; do not trust it")


Call = Callable[["Program", tuple], object]


@dataclass
class Table:
    """The names that may occur, and what is made of them.

    calls: name -> value of a call with a tuple of arguments.  states: type -> what BUILD does with (value, state).
    persistent: what stands for a persistent id, or None where there may be none.
    """

    names: frozenset[str]
    calls: dict[str, Call]
    states: dict[type, Callable[[Program, object, object], None]]
    persistent: Callable[[Program, object], object] | None = None


@dataclass
class Program:
    """One run over ``data`` from ``at`` on. unknown: the names met that are not in the table."""

    data: memoryview
    table: Table
    allowance: Allowance
    at: int = 0
    unknown: dict[str, None] = field(default_factory=dict)

    def run(self) -> object:
        """The value that the program leaves. Raises NotInert, or one of DAMAGE."""
        self.stack: list = []
        self.marks: list[list] = []
        self.memo: dict[int, object] = {}
        while True:
            self.allowance.step()
            code = self.data[self.at]
            self.at += 1
            if code == STOP:
                return self.stack.pop()
            try:
                instruction = INSTRUCTIONS[code]
            except KeyError:
                raise NotInert(
                    f"uses instruction 0x{code:02x}, which no network's file needs; do not trust it"
                ) from None
            instruction(self)

    def take(self, count: int) -> memoryview:
        """The next bytes, not copied."""
        if count > len(self.data) - self.at:
            raise EOFError
        start, self.at = self.at, self.at + count
        return self.data[start : self.at]

    def number(self, layout: str) -> int:
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def line(self) -> str:
        for end in range(self.at, min(len(self.data), self.at + LONGEST_NAME)):
            if self.data[end] == 0x0A:
                return str(self.take(end + 1 - self.at)[:-1], "ascii")
        raise NotInert(f"has a name of more than {LONGEST_NAME} characters; do not trust it")

    def push(self, value: object) -> None:
        self.stack.append(value)

    def since_mark(self) -> list:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def named(self, module: object, name: object) -> Name | Unknown:
        if not isinstance(module, str) or not isinstance(name, str) or len(module) + len(name) > LONGEST_NAME:
            raise NotInert("names something that is no name; do not trust it")
        text = f"{module}.{name}"
        if text in self.table.names:
            return Name(text)
        self.unknown[text] = None
        return Unknown(text)

    def call(self) -> None:
        arguments, what = self.stack.pop(), self.stack.pop()
        if isinstance(what, Unknown):
            return self.push(what)
        if not isinstance(what, Name) or what.text not in self.table.calls:
            raise NotInert(f"calls {_short(what)}, which no network's file does; do not trust it")
        if not isinstance(arguments, tuple):
            raise TypeError
        self.push(self.table.calls[what.text](self, arguments))

    def build(self) -> None:
        state, value = self.stack.pop(), self.stack[-1]
        if isinstance(value, Unknown):
            return
        if type(value) not in self.table.states:
            raise NotInert(f"sets the state of {_short(value)}, which no network's file does; do not trust it")
        self.table.states[type(value)](self, value, state)

    def persistent(self) -> None:
        if self.table.persistent is None:
            raise NotInert("refers to something outside itself (a persistent id), which is not read")
        self.push(self.table.persistent(self, self.stack.pop()))

    def extend(self, target: object, items: list) -> None:
        if isinstance(target, Unknown):
            return
        self.allowance.step(len(items))
        if type(target) is set:
            target.update(map(_key, items))
        elif type(target) is list:
            target.extend(items)
        else:
            raise TypeError

    def assign(self, target: object, items: list) -> None:
        if isinstance(target, Unknown):
            return
        self.allowance.step(len(items))
        if type(target) is not dict or len(items) % 2:
            raise TypeError
        target.update(zip(map(_key, items[::2]), items[1::2], strict=True))

    def onto(self, put: Callable[[object, list], None], items: list) -> None:
        put(self.stack[-1], items)

    def memoize(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def mark(self) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def last(self, count: int) -> list:
        if len(self.stack) < count:
            raise IndexError
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def integer(self, count: int) -> int:
        if count > LONGEST_NUMBER:
            raise NotInert(f"has an integer of {count} bytes; do not trust it")
        return int.from_bytes(self.take(count), "little", signed=True)

    def text(self, count: int) -> str:
        raw = self.take(count)
        self.allowance.copy(count)
        return str(raw, "utf-8", "surrogatepass")


def _key(value: object) -> object:
    """Keys are short and flat: the hash of a deep tuple would exhaust the stack."""
    if not isinstance(value, str | int | float | None):
        raise NotInert(f"has {_short(value)} for a key; do not trust it")
    return value


def _short(value: object) -> str:
    return shown(value.text) if isinstance(value, Name | Unknown) else f"a {type(value).__name__}"


def shown(text: str, longest: int = 80) -> str:
    """A text of the file for a message: short, and on one line."""
    return text[:longest].encode("unicode_escape").decode()


STOP = ord(".")
INSTRUCTIONS: dict[int, Callable[[Program], None]] = {
    0x80: lambda p: p.take(1),  # PROTO
    0x95: lambda p: p.take(8),  # FRAME: a hint only
    ord("N"): lambda p: p.push(None),
    0x88: lambda p: p.push(True),
    0x89: lambda p: p.push(False),
    ord("J"): lambda p: p.push(p.number("<i")),
    ord("K"): lambda p: p.push(p.number("<B")),
    ord("M"): lambda p: p.push(p.number("<H")),
    0x8A: lambda p: p.push(p.integer(p.number("<B"))),
    0x8B: lambda p: p.push(p.integer(p.number("<I"))),
    ord("G"): lambda p: p.push(p.number(">d")),
    ord("X"): lambda p: p.push(p.text(p.number("<I"))),
    0x8C: lambda p: p.push(p.text(p.number("<B"))),
    0x8D: lambda p: p.push(p.text(p.number("<Q"))),
    ord("B"): lambda p: p.push(p.take(p.number("<I"))),
    ord("C"): lambda p: p.push(p.take(p.number("<B"))),
    0x8E: lambda p: p.push(p.take(p.number("<Q"))),
    0x96: lambda p: p.push(p.take(p.number("<Q"))),
    ord("]"): lambda p: p.push([]),
    ord("}"): lambda p: p.push({}),
    ord(")"): lambda p: p.push(()),
    0x8F: lambda p: p.push(set()),
    ord("("): lambda p: p.mark(),
    ord("t"): lambda p: p.push(tuple(p.since_mark())),
    0x85: lambda p: p.push(tuple(p.last(1))),
    0x86: lambda p: p.push(tuple(p.last(2))),
    0x87: lambda p: p.push(tuple(p.last(3))),
    ord("a"): lambda p: p.onto(p.extend, p.last(1)),
    ord("e"): lambda p: p.onto(p.extend, p.since_mark()),
    0x90: lambda p: p.onto(p.extend, p.since_mark()),
    ord("s"): lambda p: p.onto(p.assign, p.last(2)),
    ord("u"): lambda p: p.onto(p.assign, p.since_mark()),
    ord("c"): lambda p: p.push(p.named(p.line(), p.line())),
    0x93: lambda p: p.push(p.named(*p.last(2))),
    ord("R"): lambda p: p.call(),
    0x81: lambda p: p.call(),  # NEWOBJ: a call of the class
    ord("b"): lambda p: p.build(),
    ord("Q"): lambda p: p.persistent(),
    ord("q"): lambda p: p.memoize(p.number("<B")),
    ord("r"): lambda p: p.memoize(p.number("<I")),
    0x94: lambda p: p.memoize(len(p.memo)),
    ord("h"): lambda p: p.push(p.memo[p.number("<B")]),
    ord("j"): lambda p: p.push(p.memo[p.number("<I")]),
}


def read_pickle(data: bytes, table: Table, source: str) -> object:
    """The value in ``data``, made of dicts, lists, numbers, texts and what ``table`` makes. Nothing is run.

    Raises WeightsError, one line, for damage, for names outside the table (all that were met) and for what no network's
    file needs.
    """
    program = Program(memoryview(data), table, Allowance(MOST_INSTRUCTIONS, len(data)))
    trouble = None
    try:
        value = program.run()
    except NotInert as error:
        trouble = str(error)
    except (EOFError, *DAMAGE):
        trouble = "is damaged, or cut short; get it again"
    if program.unknown:
        raise WeightsError(refusal(list(program.unknown), source))
    if trouble:
        raise WeightsError(f"{source}: {trouble}")
    return value


def refusal(names: list[str], source: str) -> str:
    if TENSORFLOW.intersection(names):
        return (
            f"{source}: is a TensorFlow pickle (dnnlib.tflib), which only TensorFlow can open; convert it with "
            "legacy.py of NVIDIA's stylegan3 (or stylegan2-ada-pytorch), or fetch the PyTorch file of the same network"
        )
    listed = ", ".join(map(shown, names[:MOST_SHOWN])) + (", ..." if len(names) > MOST_SHOWN else "")
    return (
        f"{source}: holds more than networks (it names {listed}), and was not opened further, since that could run "
        "code; save the networks alone, or convert them to safetensors"
    )

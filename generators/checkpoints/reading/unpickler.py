"""A reader of pickles that runs nothing.

A pickle is a program for a small stack machine. The standard library's imports and calls what the program names; this
one knows a fixed table of names (`generators.checkpoints.reading.nvidia_objects`), whose values it makes itself, and nothing
else. The opcodes are those that Python 3 writes (protocols 2 to 5); see the standard library's ``pickletools``.

Bounds: a program has a limited number of instructions (going through a list that it made costs as many as the list is
long), bytes are slices of the file, copies of them are paid from an allowance as large as the file, and keys are flat,
so that nothing here recurses.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from generators.checkpoints.reading.opcodes import INSTRUCTIONS, STOP
from generators.errors import WeightsError
from generators.text import escape

MOST_INSTRUCTIONS = 300_000  # a whole StyleGAN2 has some thirty thousand
LONGEST_NUMBER = 64  # bytes of an integer
LONGEST_NAME = 300  # characters of "module.name"
MOST_SHOWN = 12
TENSORFLOW = {"dnnlib.tflib.network.Network", "tfutil.Network", "network.Network"}
# What Python's own containers and numbers raise when the program misuses them.
DAMAGE = (LookupError, TypeError, ValueError, OverflowError, AttributeError, struct.error)


class RefusedPickle(Exception):
    """The program asks for something that is not read; the message says what. Becomes a WeightsError."""


@dataclass(frozen=True)
class GlobalName:
    """A global of the table, by name only."""

    text: str


@dataclass(frozen=True)
class UnknownGlobal:
    """Stands for whatever would be made of a name that is not in the table."""

    text: str


@dataclass
class Budget:
    """What a file may still take: instructions, and bytes to be copied."""

    instructions: int
    bytes: int

    def step(self, count: int = 1) -> None:
        self.instructions -= count
        if self.instructions < 0:
            raise RefusedPickle("is a longer program than any network's; do not trust it")

    def copy(self, count: int) -> None:
        self.bytes -= count
        if self.bytes < 0:
            raise RefusedPickle("asks for more memory than the file holds, which its writers never do; do not trust it")


Call = Callable[["Unpickler", tuple], object]


@dataclass
class AllowedGlobals:
    """The names that may occur, and what is made of them.

    calls: name -> value of a call with a tuple of arguments.  states: type -> what BUILD does with (value, state).
    persistent: what stands for a persistent id, or None where there may be none.
    """

    names: frozenset[str]
    calls: dict[str, Call]
    states: dict[type, Callable[[Unpickler, object, object], None]]
    persistent: Callable[[Unpickler, object], object] | None = None


@dataclass
class Unpickler:
    """One run over ``data`` from ``at`` on. unknown: the names met that are not in the table."""

    data: memoryview
    allowed: AllowedGlobals
    budget: Budget
    at: int = 0
    unknown: dict[str, None] = field(default_factory=dict)

    def run(self) -> object:
        """The value that the program leaves. Raises NotInert, or one of DAMAGE."""
        self.stack: list = []
        self.marks: list[list] = []
        self.memo: dict[int, object] = {}
        while True:
            self.budget.step()
            code = self.data[self.at]
            self.at += 1
            if code == STOP:
                return self.stack.pop()
            try:
                instruction = INSTRUCTIONS[code]
            except KeyError:
                raise RefusedPickle(
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
        raise RefusedPickle(f"has a name of more than {LONGEST_NAME} characters; do not trust it")

    def push(self, value: object) -> None:
        self.stack.append(value)

    def pop_to_mark(self) -> list:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def resolve(self, module: object, name: object) -> GlobalName | UnknownGlobal:
        if not isinstance(module, str) or not isinstance(name, str) or len(module) + len(name) > LONGEST_NAME:
            raise RefusedPickle("names something that is no name; do not trust it")
        text = f"{module}.{name}"
        if text in self.allowed.names:
            return GlobalName(text)
        self.unknown[text] = None
        return UnknownGlobal(text)

    def call(self) -> None:
        arguments, what = self.stack.pop(), self.stack.pop()
        if isinstance(what, UnknownGlobal):
            return self.push(what)
        if not isinstance(what, GlobalName) or what.text not in self.allowed.calls:
            raise RefusedPickle(f"calls {_describe(what)}, which no network's file does; do not trust it")
        if not isinstance(arguments, tuple):
            raise TypeError
        self.push(self.allowed.calls[what.text](self, arguments))

    def build(self) -> None:
        state, value = self.stack.pop(), self.stack[-1]
        if isinstance(value, UnknownGlobal):
            return
        if type(value) not in self.allowed.states:
            raise RefusedPickle(f"sets the state of {_describe(value)}, which no network's file does; do not trust it")
        self.allowed.states[type(value)](self, value, state)

    def persistent(self) -> None:
        if self.allowed.persistent is None:
            raise RefusedPickle("refers to something outside itself (a persistent id), which is not read")
        self.push(self.allowed.persistent(self, self.stack.pop()))

    def extend(self, target: object, items: list) -> None:
        if isinstance(target, UnknownGlobal):
            return
        self.budget.step(len(items))
        if type(target) is set:
            target.update(map(_key, items))
        elif type(target) is list:
            target.extend(items)
        else:
            raise TypeError

    def assign(self, target: object, items: list) -> None:
        if isinstance(target, UnknownGlobal):
            return
        self.budget.step(len(items))
        if type(target) is not dict or len(items) % 2:
            raise TypeError
        target.update(zip(map(_key, items[::2]), items[1::2], strict=True))

    def apply_to_top(self, put: Callable[[object, list], None], items: list) -> None:
        put(self.stack[-1], items)

    def memoize(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def mark(self) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def pop_last(self, count: int) -> list:
        if len(self.stack) < count:
            raise IndexError
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def integer(self, count: int) -> int:
        if count > LONGEST_NUMBER:
            raise RefusedPickle(f"has an integer of {count} bytes; do not trust it")
        return int.from_bytes(self.take(count), "little", signed=True)

    def text(self, count: int) -> str:
        raw = self.take(count)
        self.budget.copy(count)
        return str(raw, "utf-8", "surrogatepass")


def _key(value: object) -> object:
    """Keys are short and flat: the hash of a deep tuple would exhaust the stack."""
    if not isinstance(value, str | int | float | None):
        raise RefusedPickle(f"has {_describe(value)} for a key; do not trust it")
    return value


def _describe(value: object) -> str:
    return escape(value.text) if isinstance(value, GlobalName | UnknownGlobal) else f"a {type(value).__name__}"


def read_pickle(data: bytes, allowed: AllowedGlobals, source: str) -> object:
    """The value in ``data``, made of dicts, lists, numbers, texts and what ``table`` makes. Nothing is run.

    Raises WeightsError, one line, for damage, for names outside the table (all that were met) and for what no network's
    file needs.
    """
    unpickler = Unpickler(memoryview(data), allowed, Budget(MOST_INSTRUCTIONS, len(data)))
    problem = None
    try:
        value = unpickler.run()
    except RefusedPickle as error:
        problem = str(error)
    except (EOFError, *DAMAGE):
        problem = "is damaged, or cut short; get it again"
    if unpickler.unknown:
        raise WeightsError(describe_refusal(list(unpickler.unknown), source))
    if problem:
        raise WeightsError(f"{source}: {problem}")
    return value


def describe_refusal(names: list[str], source: str) -> str:
    if TENSORFLOW.intersection(names):
        return (
            f"{source}: is a TensorFlow pickle (dnnlib.tflib), which only TensorFlow can open; convert it with "
            "legacy.py of NVIDIA's stylegan3 (or stylegan2-ada-pytorch), or fetch the PyTorch file of the same network"
        )
    listed = ", ".join(map(escape, names[:MOST_SHOWN])) + (", ..." if len(names) > MOST_SHOWN else "")
    return (
        f"{source}: holds more than networks (it names {listed}), and was not opened further, since that could run "
        "code; save the networks alone, or convert them to safetensors"
    )

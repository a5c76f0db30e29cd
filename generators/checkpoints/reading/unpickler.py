"""A restricted unpickler, which executes nothing.

A pickle is a program for a small stack machine. The standard library imports and calls whatever the program names; this
unpickler knows a fixed table of globals (``nvidia_objects``), whose values it builds itself, and refuses all others.
The opcodes are in ``opcodes``.

Resources are bounded: the number of instructions is limited (processing a list costs as many as it is long), bytes are
slices of the file, copying them is paid from a budget as large as the file, and keys are flat, so that nothing
recurses.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from generators.checkpoints.reading.opcodes import INSTRUCTIONS, STOP
from generators.errors import WeightsError
from generators.text import escape

MOST_INSTRUCTIONS = 300_000  # a StyleGAN2 takes about thirty thousand
LONGEST_NUMBER = 64  # bytes of an integer
LONGEST_NAME = 300  # characters of "module.name"
MOST_SHOWN = 12
TENSORFLOW = {"dnnlib.tflib.network.Network", "tfutil.Network", "network.Network"}
# Raised by Python's containers and numbers when the program misuses them.
DAMAGE = (LookupError, TypeError, ValueError, OverflowError, AttributeError, struct.error)


class RefusedPickle(Exception):
    """The pickle asks for something that is not read; the message says what. Becomes a WeightsError."""


@dataclass(frozen=True)
class GlobalName:
    """A global of the table, by name only."""

    text: str


@dataclass(frozen=True)
class UnknownGlobal:
    """Placeholder for anything made from a global that is not in the table."""

    text: str


@dataclass
class Budget:
    """Limit of what one file may use: instructions, and bytes to be copied."""

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
    """The table of allowed globals, and how values are built from them.

    Attributes:
        names: "module.name" of every allowed global.
        calls: name -> function of (unpickler, arguments) that returns the value of a call.
        states: type -> function of (unpickler, value, state) that restores a state (BUILD).
        persistent: function that resolves persistent ids, None where there may be none.
    """

    names: frozenset[str]
    calls: dict[str, Call]
    states: dict[type, Callable[[Unpickler, object, object], None]]
    persistent: Callable[[Unpickler, object], object] | None = None


@dataclass
class Unpickler:
    """One run over ``data``, beginning at ``at``.

    Attributes:
        data: the bytes of the pickle.
        allowed: the table of globals.
        budget: shared by nested runs.
        at: position of the next byte.
        unknown: names of globals that were met and are not in the table.
    """

    data: memoryview
    allowed: AllowedGlobals
    budget: Budget
    at: int = 0
    unknown: dict[str, None] = field(default_factory=dict)

    def run(self) -> object:
        """Execute the pickle and return its value. Raises RefusedPickle, or one of DAMAGE."""
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
        """Return the next bytes, not copied."""
        if count > len(self.data) - self.at:
            raise EOFError
        start, self.at = self.at, self.at + count
        return self.data[start : self.at]

    def number(self, layout: str) -> int:
        """Return the next number, in the format of ``struct``."""
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def line(self) -> str:
        """Return the next line of text."""
        for end in range(self.at, min(len(self.data), self.at + LONGEST_NAME)):
            if self.data[end] == 0x0A:
                return str(self.take(end + 1 - self.at)[:-1], "ascii")
        raise RefusedPickle(f"has a name of more than {LONGEST_NAME} characters; do not trust it")

    def push(self, value: object) -> None:
        self.stack.append(value)

    def pop_to_mark(self) -> list:
        """Pop all items above the last mark."""
        items, self.stack = self.stack, self.marks.pop()
        return items

    def resolve(self, module: object, name: object) -> GlobalName | UnknownGlobal:
        """Return the global of this name, or a placeholder."""
        if not isinstance(module, str) or not isinstance(name, str) or len(module) + len(name) > LONGEST_NAME:
            raise RefusedPickle(
                f"has a global whose name is not a text of at most {LONGEST_NAME} characters; do not trust it"
            )
        text = f"{module}.{name}"
        if text in self.allowed.names:
            return GlobalName(text)
        self.unknown[text] = None
        return UnknownGlobal(text)

    def call(self) -> None:
        """Call a global with a tuple of arguments (REDUCE, NEWOBJ)."""
        arguments, what = self.stack.pop(), self.stack.pop()
        if isinstance(what, UnknownGlobal):
            return self.push(what)
        if not isinstance(what, GlobalName) or what.text not in self.allowed.calls:
            raise RefusedPickle(f"calls {_describe(what)}, which no network's file does; do not trust it")
        if not isinstance(arguments, tuple):
            raise TypeError
        self.push(self.allowed.calls[what.text](self, arguments))

    def build(self) -> None:
        """Restore the state of the top value (BUILD)."""
        state, value = self.stack.pop(), self.stack[-1]
        if isinstance(value, UnknownGlobal):
            return
        if type(value) not in self.allowed.states:
            raise RefusedPickle(f"sets the state of {_describe(value)}, which no network's file does; do not trust it")
        self.allowed.states[type(value)](self, value, state)

    def persistent(self) -> None:
        """Resolve a persistent id (BINPERSID)."""
        if self.allowed.persistent is None:
            raise RefusedPickle("refers to something outside itself (a persistent id), which is not read")
        self.push(self.allowed.persistent(self, self.stack.pop()))

    def extend(self, target: object, items: list) -> None:
        """Add items to a list or a set."""
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
        """Add keys and values, alternating, to a dictionary."""
        if isinstance(target, UnknownGlobal):
            return
        self.budget.step(len(items))
        if type(target) is not dict or len(items) % 2:
            raise TypeError
        target.update(zip(map(_key, items[::2]), items[1::2], strict=True))

    def apply_to_top(self, put: Callable[[object, list], None], items: list) -> None:
        """Apply ``extend`` or ``assign`` to the top value."""
        put(self.stack[-1], items)

    def memoize(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def mark(self) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def pop_last(self, count: int) -> list:
        """Pop the last items, in their order."""
        if len(self.stack) < count:
            raise IndexError
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def integer(self, count: int) -> int:
        """Return an integer of so many bytes."""
        if count > LONGEST_NUMBER:
            raise RefusedPickle(f"has an integer of {count} bytes; do not trust it")
        return int.from_bytes(self.take(count), "little", signed=True)

    def text(self, count: int) -> str:
        """Return a text of so many bytes."""
        raw = self.take(count)
        self.budget.copy(count)
        return str(raw, "utf-8", "surrogatepass")


def _key(value: object) -> object:
    """Check that a key is short and flat: the hash of a deeply nested tuple would exhaust the stack."""
    if not isinstance(value, str | int | float | None):
        raise RefusedPickle(f"has {_describe(value)} for a key; do not trust it")
    return value


def _describe(value: object) -> str:
    return escape(value.text) if isinstance(value, GlobalName | UnknownGlobal) else f"a {type(value).__name__}"


def read_pickle(data: bytes, allowed: AllowedGlobals, source: str) -> object:
    """Read a pickle without executing it, as dicts, lists, numbers, texts and what ``allowed`` builds.

    Args:
        data: the whole pickle.
        allowed: the table of globals.
        source: the file's name, for messages.

    Raises:
        WeightsError: damage, globals outside the table (all that were met), or opcodes that files of networks do not
            need.
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
    """Return the message for a file that names globals outside the table."""
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

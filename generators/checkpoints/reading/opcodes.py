"""The opcodes of pickles that Python 3 writes (protocols 2 to 5), as operations of the restricted unpickler.

Names and meanings: the standard library's ``pickletools``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

STOP = ord(".")
INSTRUCTIONS: dict[int, Callable[[Any], None]] = {
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
    ord("U"): lambda p: p.push(p.text(p.number("<B"))),  # SHORT_BINSTRING, of files that Python 2 wrote
    ord("B"): lambda p: p.push(p.take(p.number("<I"))),
    ord("C"): lambda p: p.push(p.take(p.number("<B"))),
    0x8E: lambda p: p.push(p.take(p.number("<Q"))),
    0x96: lambda p: p.push(p.take(p.number("<Q"))),
    ord("]"): lambda p: p.push([]),
    ord("}"): lambda p: p.push({}),
    ord(")"): lambda p: p.push(()),
    0x8F: lambda p: p.push(set()),
    ord("("): lambda p: p.mark(),
    ord("t"): lambda p: p.push(tuple(p.pop_to_mark())),
    0x85: lambda p: p.push(tuple(p.pop_last(1))),
    0x86: lambda p: p.push(tuple(p.pop_last(2))),
    0x87: lambda p: p.push(tuple(p.pop_last(3))),
    ord("a"): lambda p: p.apply_to_top(p.extend, p.pop_last(1)),
    ord("e"): lambda p: p.apply_to_top(p.extend, p.pop_to_mark()),
    0x90: lambda p: p.apply_to_top(p.extend, p.pop_to_mark()),
    ord("s"): lambda p: p.apply_to_top(p.assign, p.pop_last(2)),
    ord("u"): lambda p: p.apply_to_top(p.assign, p.pop_to_mark()),
    ord("c"): lambda p: p.push(p.resolve(p.line(), p.line())),
    0x93: lambda p: p.push(p.resolve(*p.pop_last(2))),
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

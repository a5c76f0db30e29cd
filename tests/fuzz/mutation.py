"""Seeded damage of bytes and texts."""

import random
import re
import struct
import zlib

EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**62, 2**63 - 1, 2**64 - 1)
NUMBERS = (
    b"0 -1 1e999 -1e999 nan inf 1e-320 1000000000 99999999999999999999 0x10 1_0 1/0 1/3 1e999999999 "
    b"1e300 3.5 \xd9\xa3 \xc2\xb2"
).split() + [b"9" * 5000]
TEXTS = (
    *b"../ /dev/zero /dev/stdin . .. ~ %s %n ${HOME} [ ] { } ( ) [[ ]] = == , : ; + * # null true auto ?".split(),
    *b"<script>alert(1)</script> __class__ NaN 0.5..4 ' \" ''' \"\"\" \\ \\u0000".split(),
    *(b"$(touch canary)", b"`touch canary`", b"\0", b"\n", b"\r\n", b" ", b"\x1b[2J", b"\x1b]52;c;YQ==\x07"),
    *(b"\xe2\x80\xae", b"\xe2\x80\x8b", b"\xef\xbb\xbf", b"\xff", b"\xed\xb2\x80"),
)


def mutate(data: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """Return damaged bytes: one to six changes, of kinds that suit binary files and texts alike.

    Args:
        data: a good file.
        others: files from which pieces are taken.
        chance: the source of all randomness.
    """
    data = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 1, 2, 6))):
        data = bytearray(chance.choice(CHANGES)(data, others, chance))
    result = bytes(data[: 2**21])
    return repair_png(result) if result[:4] == b"\x89PNG" and chance.random() < 0.7 else result


def _place(data, chance):
    """A position; mostly near the beginning or the end, where headers and directories are."""
    if not data:
        return 0
    near = chance.randrange(min(len(data), chance.choice((32, 300))))
    return chance.choice((near, near, len(data) - 1 - near, chance.randrange(len(data))))


def flip_bit(data, others, chance):
    if data:
        data[_place(data, chance)] ^= 1 << chance.randrange(8)
    return data


def set_byte(data, others, chance):
    if data:
        data[_place(data, chance)] = chance.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, chance.randrange(256)))
    return data


def set_number(data, others, chance):
    kind, value = (
        chance.choice(["<B", "<H", ">H", "<I", ">I", "<Q", ">Q"]),
        chance.choice(EXTREMES) + chance.choice((0, 0, -1, 1)),
    )
    size = struct.calcsize(kind)
    at = _place(data, chance)
    data[at : at + size] = struct.pack(kind, value % 256**size)
    return data


def cut(data, others, chance):
    return data[: chance.randrange(len(data) + 1)]


def remove(data, others, chance):
    at = _place(data, chance)
    return data[:at] + data[at + chance.choice((1, 2, 4, 16, 256)) :]


def repeat(data, others, chance):
    at, size = _place(data, chance), chance.choice((1, 2, 8, 64, 512))
    return data[:at] + data[at : at + size] * chance.choice((2, 3, 16, 300)) + data[at + size :]


def splice(data, others, chance):
    other = chance.choice(others)
    at, start = _place(data, chance), _place(other, chance)
    return data[:at] + other[start : start + chance.choice((4, 32, 512, len(other)))] + data[at:]


def swap(data, others, chance):
    a, b = sorted((_place(data, chance), _place(data, chance)))
    size = chance.choice((1, 4, 16))
    return data[:a] + data[b : b + size] + data[a + size : b] + data[a : a + size] + data[b + size :]


def insert_text(data, others, chance):
    at = _place(data, chance)
    return data[:at] + chance.choice(TEXTS) * chance.choice((1, 1, 1, 2, 1000, 40_000)) + data[at:]


def replace_number(data, others, chance):
    """Replace a number that is written out."""
    found = list(re.finditer(rb"-?\d+(\.\d+)?", bytes(data[:100_000])))
    if not found:
        return insert_text(data, others, chance)
    one = chance.choice(found)
    return data[: one.start()] + chance.choice(NUMBERS) + data[one.end() :]


def replace_word(data, others, chance):
    """Replace a word by another one of the file, or by a text."""
    found = list(re.finditer(rb"[A-Za-z_]{2,}", bytes(data[:100_000])))
    if not found:
        return set_byte(data, others, chance)
    one = chance.choice(found)
    word = chance.choice((chance.choice(found)[0], chance.choice(TEXTS), chance.choice(NUMBERS), b'"a"', b"[1]"))
    return data[: one.start()] + word + data[one.end() :]


def pad(data, others, chance):
    return data + bytes([chance.randrange(256)]) * chance.choice((1, 100, 100_000))


CHANGES = (
    flip_bit, set_byte, set_byte, set_number, set_number, set_number, cut, remove, repeat, splice, swap, insert_text,
    replace_number, replace_number, replace_word, replace_word, pad,
)  # fmt: skip


def repair_png(data: bytes) -> bytes:
    """Return a PNG file with the right check sums, so that damage reaches the decoder."""
    parts, at = [data[:8]], 8
    while at + 8 <= len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        body = data[at + 4 : at + 8 + min(size, len(data))]
        parts += [data[at : at + 4], body, struct.pack(">I", zlib.crc32(body))]
        at += 12 + min(size, len(data))
    return b"".join(parts)

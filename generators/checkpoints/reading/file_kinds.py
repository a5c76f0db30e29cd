"""Recognise the kind of a file by its first and last bytes and by the names in it. Nothing in it is executed.

``foreign_kind`` recognises files that are not weights this package reads, and says what to do instead. The readers of
weights call it first, so that the name under which a file was saved does not matter.
"""

from __future__ import annotations

import html
import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from generators.checkpoints.reading.archive import list_names
from generators.safetensors_files import LONGEST_HEADER
from generators.text import escape

START, END = 4096, 64  # bytes read at each end
LOOKED_INTO = 2**16  # bytes read of a compressed file, once decompressed
MEMBERS = 20  # members read of a tar file


@dataclass(frozen=True)
class Kind:
    """A kind of file that is not read as weights.

    Attributes:
        words: complete the sentence "FILE is ...".
        step: what to do next.
        model: whether such a file may hold a network, or point to one.
    """

    words: str
    step: str
    model: bool = True


RESAVE = "save the state_dict of the PyTorch network that it came from (torch.save, or safetensors)"
CONVERT = "get the PyTorch weights of the same network, or convert it to PyTorch and save the state_dict"
AGAIN = "open the address in a browser and save the file itself, or get it from another place"
POINTER = Kind("a Git LFS pointer{size}, not the file itself", "run `git lfs pull` where it was cloned, or download it")
ANNEX = Kind("a git-annex pointer, not the file itself", "run `git annex get` on it, or download the file")
PAGE = Kind("a web page{title}, which a server sent in place of the file (a login, a quota)", AGAIN, model=False)
ERROR = Kind("an XML text, such as servers answer errors with", AGAIN, model=False)
JSON = Kind("a JSON text ({first}), no weights", "give the file of weights that belongs to it", model=False)
TEXT = Kind("a text ({first}), no weights", "give the file of weights; if a server sent this, " + AGAIN, model=False)
TORCHSCRIPT = Kind(
    "a TorchScript archive (torch.jit.save), which holds code beside its weights",
    'save its weights alone: torch.save(torch.jit.load(FILE, "cpu").state_dict(), "weights.pth")',
)
EXPORTED = Kind(
    "an exported program of PyTorch (torch.export, .pt2), which holds a graph beside its weights",
    'save its weights alone: torch.save(dict(torch.export.load(FILE).state_dict), "weights.pth")',
)
PACKAGE = Kind("a torch.package archive, which holds code", RESAVE)
SERVED = Kind("a TorchServe archive (.mar)", "unpack it, and give the file of weights in it")
UNPACKED_TORCH = Kind(
    "the unpacked content of a PyTorch file",
    "get the file again and leave it packed: .pth and .pt files are not unzipped",
)
ONNX = Kind("an ONNX model", RESAVE)
SAVED_MODEL = Kind("a TensorFlow SavedModel", CONVERT)
HUB = Kind("an archive of a TensorFlow SavedModel (as TensorFlow Hub serves them)", CONVERT)
GRAPH = Kind("a TensorFlow graph (.pb, .meta)", CONVERT)
TENSORFLOW = Kind("a TensorFlow checkpoint (.index, .data)", CONVERT)
KERAS = Kind("a Keras model (.keras)", CONVERT)
HDF5 = Kind("an HDF5 file, as Keras writes weights (.h5)", CONVERT)
NUMPY = Kind("a file of NumPy arrays", "save them as named tensors (torch.save, or safetensors)")
OLD_PICKLE = Kind("a pickle in the form of a text (protocol 0), which is not opened, since it could run code", RESAVE)
OLD_TAR = Kind(
    "a tar archive, which PyTorch wrote before 2017 and which cannot be read safely",
    "load it with a PyTorch that you trust it to, and save its state_dict",
)
ARCHIVE = Kind("a {form} of {holds}", "unpack it, and give {inside}")
PACKED = Kind("a compressed file ({form})", "unpack it, and give the file of weights in it")
PICTURE = Kind("a picture ({form}), no weights", "give the file of weights", model=False)
DOCUMENT = Kind("a PDF document, no weights", "give the file of weights", model=False)

# The first bytes of files of each kind.
BEGINNINGS = {
    b"\x89HDF\r\n\x1a\n": HDF5,
    b"\x93NUMPY": NUMPY,
    b"/annex/objects/": ANNEX,
    b"GGUF": Kind("a GGUF file", CONVERT),
    b"%PDF": DOCUMENT,
    b"\x89PNG": Kind(PICTURE.words.format(form="PNG"), PICTURE.step, model=False),
    b"\xff\xd8\xff": Kind(PICTURE.words.format(form="JPEG"), PICTURE.step, model=False),
    b"GIF8": Kind(PICTURE.words.format(form="GIF"), PICTURE.step, model=False),
    b"II*\0": Kind(PICTURE.words.format(form="TIFF"), PICTURE.step, model=False),
    b"MM\0*": Kind(PICTURE.words.format(form="TIFF"), PICTURE.step, model=False),
    b"BZh": Kind(PACKED.words.format(form="bzip2"), PACKED.step),
    b"\xfd7zXZ\0": Kind(PACKED.words.format(form="xz"), PACKED.step),
    b"\x28\xb5\x2f\xfd": Kind(PACKED.words.format(form="zstd"), PACKED.step),
    b"7z\xbc\xaf\x27\x1c": Kind(PACKED.words.format(form="7z"), PACKED.step),
    b"Rar!\x1a\x07": Kind(PACKED.words.format(form="rar"), PACKED.step),
}
LFS = (b"version https://git-lfs.github.com/", b"version https://hawser.github.com/")
HTML = r"(<!--.*?-->\s*|<\?xml.*?\?>\s*)*<(!doctype\s+html|html|head|body)\b"
TABLE_END = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"  # of TensorFlow's .index files
UNPACKED = "data.pkl"  # the main entry of PyTorch's archives
SUFFIXES = (".safetensors", ".pth", ".pt", ".pkl", ".bin")


def is_safetensors(start: bytes, size: int) -> bool:
    """Return whether a file with these first bytes and this size has the header of a safetensors file."""
    length = int.from_bytes(start[:8], "little")
    return start[8:9] == b"{" and 2 <= length <= min(LONGEST_HEADER, size - 8)


def foreign_kind(path: Path) -> Kind | None:
    """Return the kind of a file that is not read as weights; None for weights, and for unrecognised files.

    Raises:
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        start = file.read(START)
        file.seek(max(0, size - END))
        end = file.read(END)
    if is_safetensors(start, size):
        return None
    if start.startswith(b"PK\x03\x04"):
        return _zip_kind(list_names(path, size))
    if start.startswith(b"\x1f\x8b"):
        return _gzip_kind(path)
    if start[257:262] == b"ustar":
        with open(path, "rb") as file:
            return _tar_kind(_members(file.read(LOOKED_INTO)), "tar archive")
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return Kind(PICTURE.words.format(form="WebP"), PICTURE.step, model=False)
    if end.endswith(TABLE_END):
        return TENSORFLOW
    known = next((kind for begins, kind in BEGINNINGS.items() if start.startswith(begins)), None)
    return known or _text_kind(start) or _protobuf_kind(start)


def folder_kind(folder: Path) -> tuple[str, Kind] | None:
    """Return (name, kind) of a network in another form in a folder, or None.

    The name is that of a file in it, or of the folder itself.
    """
    names = {entry.name for entry in folder.iterdir()}
    if UNPACKED in names and names & {"data", "constants.pkl", "version"}:
        return str(folder), UNPACKED_TORCH
    if names & {"saved_model.pb", "saved_model.pbtxt", "tfhub_module.pb"}:
        return str(folder), SAVED_MODEL
    if any(re.search(r"\.data-\d+-of-\d+$", name) for name in names):
        return str(folder), TENSORFLOW
    for file in sorted(entry for entry in folder.iterdir() if entry.is_file() and os.access(entry, os.R_OK)):
        kind = foreign_kind(file)
        if kind is not None and kind.model:
            return str(file), kind
    return None


def _text_kind(start: bytes) -> Kind | None:
    if start.startswith(LFS):
        found = re.search(rb"\nsize (\d{1,18})\n", start)
        said = f" (of a file of {int(found[1]):,} bytes)" if found else ""
        return Kind(POINTER.words.format(size=said), POINTER.step)
    if re.match(rb"([(\]}]*c[\w.]+\n\w+\n|\(?[dl][p(]\d*\n)", start):
        return OLD_PICKLE
    text = start.decode("utf-8-sig", "replace")
    body = text.lstrip()
    if re.match(HTML, body, re.IGNORECASE | re.DOTALL):
        found = re.search(r"<title[^>]*>([^<]{1,200})", body, re.IGNORECASE)
        title = f' ("{escape(" ".join(html.unescape(found[1]).split()), 60)}")' if found else ""
        return Kind(PAGE.words.replace("{title}", title), PAGE.step, model=False)
    if body.startswith("<?xml"):
        return ERROR
    whole = text[:-3] if len(start) == START else text  # the last character may be cut in two
    if re.search(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ufffd]", whole):
        return None
    kind = JSON if re.match(r'(\{\s*("|\})|\[\s*["{\[\d\]])', body) else TEXT
    first = escape(body.strip().partition("\n")[0].strip(), 40)
    return Kind(kind.words.replace("{first}", f"it begins {first!r}"), kind.step, model=False)


def _zip_kind(names: list[str] | None) -> Kind | None:
    """Return the kind of a zip archive; None for what torch.save writes, and for a damaged directory."""
    if not names:
        return None
    inner = {name.partition("/")[2] for name in names}
    if "constants.pkl" in inner or any(re.match(r"code/.*\.py$", name) for name in inner):
        return TORCHSCRIPT
    if inner & {"archive_format", "models/model.json"} or "serialized_exported_program.json" in {*names, *inner}:
        return EXPORTED
    if ".data/extern_modules" in inner:
        return PACKAGE
    if UNPACKED in inner:
        return None
    if any(name.endswith("saved_model.pb") for name in names):
        return HUB
    if "MAR-INF/MANIFEST.json" in names:
        return SERVED
    if {"config.json", "metadata.json"} <= set(names):
        return KERAS
    if all(name.endswith(".npy") for name in names):
        return NUMPY
    return _describe_archive(names, "zip archive")


def _describe_archive(names: list[str], form: str) -> Kind:
    files = [name for name in names if not name.endswith("/")]
    weights = [name for name in files if name.endswith(SUFFIXES)]
    listed = [escape(name, 60) for name in (weights or files)[:2]]
    holds = ", ".join(listed) + (", ..." if len(files) > len(listed) else "") if listed else "nothing"
    inside = f"the {listed[0]} in it" if weights else "the file of weights in it, if there is one"
    return Kind(ARCHIVE.words.format(form=form, holds=holds), ARCHIVE.step.format(inside=inside))


def _gzip_kind(path: Path) -> Kind:
    with open(path, "rb") as file:
        packed = file.read(LOOKED_INTO)
    try:
        start = zlib.decompressobj(31).decompress(packed, LOOKED_INTO)
    except zlib.error:
        start = b""
    names = _members(start)
    return _tar_kind(names, "tar.gz archive") if names else Kind(PACKED.words.format(form="gzip"), PACKED.step)


def _tar_kind(names: list[str], form: str) -> Kind:
    if {"sys_info", "pickle", "storages", "tensors"} & set(names):
        return OLD_TAR
    if any(name.endswith(("saved_model.pb", "tfhub_module.pb")) for name in names):
        return HUB
    return _describe_archive(names, form)


def _members(start: bytes) -> list[str]:
    """Return the names of the first members of a tar file that begins with ``start``."""
    names, at = [], 0
    while start[at + 257 : at + 262] == b"ustar" and len(names) < MEMBERS:
        names.append(start[at : at + 100].partition(b"\0")[0].decode("utf-8", "replace"))
        size = re.match(rb" *([0-7]*)", start[at + 124 : at + 136])[1]
        at += 512 + -(-int(size or b"0", 8) // 512) * 512
    return names


def _protobuf_kind(start: bytes) -> Kind | None:
    """Recognise ONNX models and TensorFlow graphs, which have no magic number, by their first fields."""
    if re.match(rb"\x08\x01\x12[\x80-\xff]{0,9}[\x00-\x7f]\x0a", start):  # schema version 1, then a graph
        return SAVED_MODEL
    # version of the format, then the producer's name, a graph or the operators
    if re.match(rb"\x08[\x01-\x20](\x12[\x01-\x7f][\x20-\x7e]{2}|[\x3a\x42])", start):
        return ONNX
    # a node (its name and its operator), or metadata of the graph (its operators)
    length = rb"[\x80-\xff]{0,9}[\x00-\x7f]"
    node = rb"\x0a[\x01-\x7f][\w./-]+\x12[\x01-\x7f]\w+"
    about = rb"(\x0a\0)?\x12" + length + rb"\x0a"
    return GRAPH if re.match(rb"\x0a" + length + rb"(" + node + rb"|" + about + rb")", start) else None

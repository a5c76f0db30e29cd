"""Read a network in OpenVINO's intermediate representation, version 10: a graph (.xml) and its constants (.bin).

The XML is parsed without document types, entities and external references, within limits of size and depth. Constants
are taken from the .bin only where offset, size and shape agree with each other and with the file.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import numpy as np
import torch
from torch import Tensor

from generators.errors import WeightsError
from generators.text import escape

VERSION = "10"
# Bounds beyond any network that is read: bytes of the two files, elements of the XML, their depth, axes of a constant.
LARGEST_XML, LARGEST_BIN = 2**24, 2**31
MOST_ELEMENTS, DEEPEST, MOST_AXES = 100_000, 16, 8
SHARED = 2**20  # bytes of constants that several layers may take from the same place in the file
ELEMENT_TYPES = {"f32": np.float32, "i64": np.int64, "i32": np.int32}
OPERATIONS = (
    "Add Broadcast Concat Const Convolution Gather GroupConvolution GroupConvolutionBackpropData MatMul Multiply "
    "PReLU Parameter Power ReduceMean Reshape Result ShapeOf Squeeze Tile Unsqueeze VariadicSplit"
)


@dataclass(frozen=True)
class Layer:
    """One operation of a graph.

    Attributes:
        number: its id, unique within the graph.
        name: as the file gives it.
        kind: the operation, such as "MatMul"; "Const" for a constant.
        attributes: of the operation, as texts.
        value: of a constant, float32 or int64; else None.
    """

    number: int
    name: str
    kind: str
    attributes: dict[str, str]
    value: Tensor | None = None


@dataclass(frozen=True)
class Graph:
    """The layers of a network and the edges between them.

    Attributes:
        name: of the network.
        layers: by number.
        sources: for each layer, the numbers of the layers that feed its inputs, in the order of its inputs.
        targets: for each layer, the numbers of the layers that it feeds.
    """

    name: str
    layers: dict[int, Layer]
    sources: dict[int, tuple[int, ...]]
    targets: dict[int, tuple[int, ...]]

    def constants(self) -> dict[str, Tensor]:
        """Return the real constants by name."""
        return {layer.name: layer.value for layer in self.of_kind("Const") if layer.value.is_floating_point()}

    def of_kind(self, kind: str) -> list[Layer]:
        """Return the layers of one operation, in the order of the file."""
        return [layer for layer in self.layers.values() if layer.kind == kind]

    def inputs(self, layer: Layer) -> list[Layer]:
        """Return the layers that feed a layer."""
        return [self.layers[number] for number in self.sources.get(layer.number, ())]

    def readers(self, layer: Layer) -> list[Layer]:
        """Return the layers that a layer feeds."""
        return [self.layers[number] for number in self.targets.get(layer.number, ())]


def is_graph(path: Path, start: bytes) -> bool:
    """Return whether a file of this name, with these first bytes, is such an XML."""
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    is_network = re.match(rb"(<\?xml[^>]*>\s*)?<net\s", text) is not None
    return is_network or path.suffix == ".xml" and text.startswith(b"<?xml")


def read_graph(path: Path) -> Graph:
    """Read the graph of an .xml file, with the constants of the .bin file beside it.

    Raises:
        WeightsError: a file is missing, too large or damaged, or holds what OpenVINO does not write.
    """
    constants = path.with_suffix(".bin")
    if not constants.is_file():
        raise WeightsError(f"{path}: {constants.name} is not beside it; expected both files of the network")
    root = _parse(_read(path, LARGEST_XML), path)
    if root.tag != "net" or root.get("version") != VERSION:
        found = f"{escape(root.tag)} of version {escape(str(root.get('version')))}"
        raise WeightsError(f"{path}: got {found}, expected an OpenVINO network (net) of version {VERSION}")
    layers = _read_layers(root, path, _read(constants, LARGEST_BIN))
    sources, targets = _read_edges(root, layers, path), {}
    for target, feeding in sources.items():
        for source in feeding:
            targets[source] = (*targets.get(source, ()), target)
    return Graph(root.get("name", ""), layers, sources, targets)


def _read(path: Path, most: int) -> bytes:
    try:
        size = path.stat().st_size
        if size > most:
            raise WeightsError(f"{path}: {size:,} bytes, expected at most {most:,}; this is not such a network")
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror})") from None


def _parse(content: bytes, path: Path) -> Element:
    """Parse XML. Document types are refused where they begin, so that no entity is ever declared or expanded."""
    builder, parser = TreeBuilder(), expat.ParserCreate()
    depth = count = 0

    def refuse(*_arguments) -> None:
        raise WeightsError(
            f"{path}: declares a document type or entities, which OpenVINO never writes; do not trust it"
        )

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > DEEPEST or count > MOST_ELEMENTS:
            raise WeightsError(f"{path}: more or deeper elements than any such network has; do not trust it")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = parser.ExternalEntityRefHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, builder.data
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f"{path}: is not a whole XML file ({error}); get it again") from None
    return builder.close()


def _read_layers(root: Element, path: Path, constants: bytes) -> dict[int, Layer]:
    layers, used = {}, 0
    for element in root.findall("layers/layer"):
        number, kind, name = _number(element, "id", path), element.get("type", ""), element.get("name", "")
        if number in layers:
            raise WeightsError(f"{path}: two layers have the id {number}; get the file again")
        if kind not in OPERATIONS.split():
            raise WeightsError(
                f"{path}: layer {escape(name)} is a {escape(kind)}, which no network that is read has; "
                f"expected one of {OPERATIONS.replace(' ', ', ')}"
            )
        data = element.find("data")
        attributes = {} if data is None else dict(data.attrib)
        value = None
        if kind == "Const":
            used += _number(data, "size", path, name)
            if used > len(constants) + SHARED:
                raise WeightsError(f"{path}: its constants are larger than {path.stem}.bin; get both files again")
            value = _read_constant(data, constants, name, path)
        layers[number] = Layer(number, name, kind, attributes, value)
    if not layers:
        raise WeightsError(f"{path}: has no layers; get it again")
    return layers


def _read_constant(data: Element, constants: bytes, name: str, path: Path) -> Tensor:
    kind = data.get("element_type", "")
    if kind not in ELEMENT_TYPES:
        raise WeightsError(
            f"{path}: constant {escape(name)} holds {escape(kind)}, expected one of {', '.join(ELEMENT_TYPES)}; "
            "convert the network in float32"
        )
    offset, size = _number(data, "offset", path, name), _number(data, "size", path, name)
    text = data.get("shape", "").replace(" ", "")
    if not re.fullmatch(r"(\d{1,10}(,\d{1,10})*)?", text, re.ASCII) or text.count(",") >= MOST_AXES:
        raise WeightsError(f"{path}: constant {escape(name)} has the shape {escape(text, 24)}; get the file again")
    shape = tuple(int(side) for side in text.split(",")) if text else ()
    dtype = np.dtype(ELEMENT_TYPES[kind]).newbyteorder("<")
    count = math.prod(shape)
    if count * dtype.itemsize != size or count == 0:
        raise WeightsError(
            f"{path}: constant {escape(name)} of shape {shape} ({kind}) takes {count * dtype.itemsize} bytes, but the "
            f"file says {size}; get it again"
        )
    if offset + size > len(constants):
        raise WeightsError(
            f"{path}: constant {escape(name)} ends at byte {offset + size}, but {path.stem}.bin has {len(constants)}; "
            "get both files again"
        )
    values = np.frombuffer(constants, dtype, count, offset).reshape(shape)
    return torch.from_numpy(values.astype(np.float32 if kind == "f32" else np.int64))


def _read_edges(root: Element, layers: dict[int, Layer], path: Path) -> dict[int, tuple[int, ...]]:
    feeding: dict[int, dict[int, int]] = {}
    for element in root.findall("edges/edge"):
        source, target, port = (_number(element, key, path) for key in ("from-layer", "to-layer", "to-port"))
        missing = [number for number in (source, target) if number not in layers]
        if missing:
            raise WeightsError(f"{path}: an edge names the layer {missing[0]}, which does not exist; get it again")
        ports = feeding.setdefault(target, {})
        if port in ports or source == target:
            raise WeightsError(f"{path}: two edges feed one input of layer {target}; get it again")
        ports[port] = source
    return {target: tuple(ports[port] for port in sorted(ports)) for target, ports in feeding.items()}


def _number(element: Element | None, key: str, path: Path, name: str = "") -> int:
    """Return a whole number, not negative, that an attribute states."""
    text = "" if element is None else element.get(key, "")
    if not re.fullmatch(r"\d{1,12}", text, re.ASCII):
        where = f" of {escape(name)}" if name else ""
        raise WeightsError(f"{path}: {key}{where} is {escape(text, 24)!r}, expected a whole number; get it again")
    return int(text)

"""Write a MobileStyleGAN in OpenVINO's representation, as its authors' export does; only what the reader looks at."""

import math
from xml.sax.saxutils import quoteattr

import torch

from generators.stylegan.ops import GAIN

PREFIX = "m."


class GraphFile:
    """Layers, edges and constants, in the order in which they are added."""

    def __init__(self):
        self.layers, self.edges, self.constants = [], [], b""

    def constant(self, value, name=""):
        value = torch.as_tensor(value)
        data = value.contiguous().numpy().tobytes()
        kind = {torch.float32: "f32", torch.int64: "i64"}[value.dtype]
        shape = ", ".join(map(str, value.shape))
        number = self.add("Const", name, element_type=kind, shape=shape, offset=len(self.constants), size=len(data))
        self.constants += data
        return number

    def add(self, kind, name="", inputs=(), **attributes):
        number = len(self.layers)
        data = " ".join(f"{key}={quoteattr(str(value))}" for key, value in attributes.items())
        name = quoteattr(name or f"{kind}_{number}")
        self.layers.append(
            f'<layer id="{number}" name={name} type="{kind}" version="opset1"><data {data}/>'
            "<output><port><dim>1</dim></port></output></layer>"
        )
        for port, source in enumerate(inputs):
            self.edges.append(f'<edge from-layer="{source}" from-port="0" to-layer="{number}" to-port="{port}"/>')
        return number

    def write(self, path):
        layers, edges = "\n".join(self.layers), "\n".join(self.edges)
        path.write_text(
            f'<?xml version="1.0" ?>\n<net name="{path.stem}" version="10">\n<layers>\n{layers}\n</layers>\n'
            f"<edges>\n{edges}\n</edges>\n</net>\n"
        )
        path.with_suffix(".bin").write_bytes(self.constants)


def interleave(rows):
    """Averages first, then the three differences of each channel in turn: the order of the published files."""
    count = len(rows) // 4
    return torch.cat([rows[:count], rows[count:].unflatten(0, (3, count)).transpose(0, 1).flatten(0, 1)])


def published_names(network):
    """The tensors of a synthesis network under the authors' names, before the converter's own are lost."""
    found, blocks = {}, network.synthesis.blocks()
    for i, block in enumerate(blocks):
        prefix = f"layers.{i - 1}." if i else ""
        convolutions = [("conv1", block.conv1)] + ([("conv2", block.conv2)] if i else [])
        if i:
            found[f"{prefix}up.modulation.weight"] = interleave(block.up.weight)
            found[f"{prefix}up.modulation.bias"] = interleave(block.up.bias)
        else:
            found["input.input"] = block.const[None]
        for name, layer in convolutions:
            is_enlarged = layer is convolutions[-1][1] and i < len(blocks) - 1
            order = interleave if is_enlarged else lambda rows: rows
            key = f"{prefix}{name}"
            found[f"{key}.conv.modulation.weight"] = layer.affine.weight
            found[f"{key}.conv.modulation.bias"] = layer.affine.bias
            if i:
                found[f"{key}.conv.weight_dw"] = layer.depthwise.weight
            found[f"{key}.conv.weight_permute" if i else f"{key}.conv.weight"] = order(layer.weight)
            found[f"{key}.bias"] = order(layer.bias).view(1, -1, 1, 1)
            found[f"{key}.noise"] = layer.noise
    key, layer = f"layers.{len(blocks) - 2}.to_img", network.synthesis.torgb
    found[f"{key}.conv.modulation.weight"] = layer.affine.weight
    found[f"{key}.conv.modulation.bias"] = layer.affine.bias
    found[f"{key}.conv.weight"] = interleave(layer.weight)
    found[f"{key}.bias"] = interleave(layer.bias).view(1, -1, 1, 1)
    return {name: tensor.detach().clone() for name, tensor in found.items()}


def write_synthesis(network, path):
    file, tensors = GraphFile(), published_names(network)
    constant = lambda name: file.constant(tensors[name], PREFIX + name)  # noqa: E731
    style, shape = file.add("Parameter", "style"), file.constant(torch.tensor([1, -1, 1, 1]))
    slope, root = torch.tensor([0.2]), math.sqrt(0.5)

    def modulate(x, key, gain):
        product = file.add("MatMul", inputs=(style, constant(f"{key}.weight")))
        bias = file.constant(tensors[f"{key}.bias"][None], f"{PREFIX}{key}.bias")
        scales = file.add("Reshape", inputs=(file.add("Add", inputs=(product, bias)), shape))
        if gain != 1:
            scales = file.add("Multiply", inputs=(scales, file.constant(torch.full((1, 1, 1, 1), gain))))
        return file.add("Multiply", inputs=(scales, x))

    def convolve(x, key):
        channels = tensors[f"{key}.conv.modulation.bias"].numel()
        x = modulate(x, f"{key}.conv.modulation", 1 / math.sqrt(9 * channels))
        if f"{key}.conv.weight_dw" in tensors:
            kernel = tensors[f"{key}.conv.weight_dw"][:, None]
            x = file.add("GroupConvolution", inputs=(x, file.constant(kernel, f"{PREFIX}{key}.conv.weight_dw")))
        nameless = tensors[f"{key}.conv.weight_permute" if f"{key}.conv.weight_dw" in tensors else f"{key}.conv.weight"]
        x = file.add("Convolution", inputs=(x, file.constant(nameless)))
        x = file.add("Add", inputs=(x, file.constant(tensors[f"{key}.noise"])))
        x = file.add("Add", inputs=(x, constant(f"{key}.bias")))
        return file.add("PReLU", inputs=(x, file.constant(slope)))

    def enlarge(x):
        parts = [file.add("VariadicSplit", inputs=(x,)) for _ in range(4)]
        wave = lambda part, sign, axis: file.add(  # noqa: E731
            "GroupConvolutionBackpropData",
            inputs=(part, file.constant(torch.tensor([root, sign * root]).view(1, 1, 1, *((2, 1), (1, 2))[axis]))),
        )
        low, high = (file.add("Add", inputs=(wave(a, 1, 0), wave(b, -1, 0))) for a, b in (parts[:2], parts[2:]))
        return file.add("Add", inputs=(wave(low, 1, 1), wave(high, -1, 1)))

    x, blocks = convolve(constant("input.input"), "conv1"), len(network.synthesis.blocks()) - 1
    for i in range(blocks):
        x = enlarge(modulate(x, f"layers.{i}.up.modulation", 1))
        x = convolve(convolve(x, f"layers.{i}.conv1"), f"layers.{i}.conv2")
    key = f"layers.{blocks - 1}.to_img"
    x = modulate(x, f"{key}.conv.modulation", 1 / math.sqrt(tensors[f"{key}.conv.modulation.bias"].numel()))
    x = file.add("Convolution", inputs=(x, constant(f"{key}.conv.weight")))
    file.add("Result", inputs=(enlarge(file.add("Add", inputs=(x, constant(f"{key}.bias")))),))
    file.write(path)


def write_mapping(network, path):
    file = GraphFile()
    x = file.add("Parameter", "var")
    for value in (1.0, 2.0, 1e-8, 0.5, -1.0):
        x = file.add("Power", inputs=(x, file.constant(torch.full((1, 1), value))))
    shape = file.constant(torch.tensor([1, -1]))
    for i in range(network.mapping.layers):
        layer = getattr(network.mapping, f"fc{i}")
        gains = layer.weight_gains()
        x = file.add("MatMul", inputs=(x, file.constant((layer.weight * gains["weight"]).detach())))
        file.add("ShapeOf", inputs=(x,))
        bias = file.add("Reshape", inputs=(file.constant((layer.bias * gains["bias"]).detach()), shape))
        x = file.add("PReLU", inputs=(file.add("Add", inputs=(x, bias)), file.constant(torch.tensor([0.2]))))
        x = file.add("Multiply", inputs=(x, file.constant(torch.full((1, 1), GAIN))))
    file.add("Result", inputs=(x,))
    file.write(path)


def write_pair(network, folder):
    """Write the four files; return the path of SynthesisNetwork.xml."""
    write_mapping(network, folder / "MappingNetwork.xml")
    write_synthesis(network, folder / "SynthesisNetwork.xml")
    return folder / "SynthesisNetwork.xml"

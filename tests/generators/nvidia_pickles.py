"""Pickles as NVIDIA's persistence writes them, for tests: of stand-ins that bear the names which such files name."""

import pickle
import sys
import types
from collections import OrderedDict
from unittest.mock import patch

import numpy
import torch


class EasyDict(dict):
    """dnnlib.util.EasyDict, as far as pickles know it."""


class Network:
    """A persistent object: pickled as a call of `_reconstruct_persistent_obj` with class name, source and state."""

    def __init__(self, class_name, parameters=(), buffers=(), modules=(), args=(), kwargs=None, hidden=(), **others):
        self.class_name = class_name
        self.state = {
            "training": False,
            "_parameters": {name: t if t is None else torch.nn.Parameter(t) for name, t in dict(parameters).items()},
            "_buffers": dict(buffers),
            "_non_persistent_buffers_set": set(hidden),
            "_backward_hooks": OrderedDict(),
            "_modules": dict(modules),
            "_init_args": tuple(args),
            "_init_kwargs": EasyDict(kwargs or {}),
            **others,
        }
        self.source = "raise RuntimeError('the source was run')"

    def __reduce__(self):
        meta = EasyDict(type="class", version=6, module_src=self.source, class_name=self.class_name, state=self.state)
        return reconstruct, (meta,)


def reconstruct(meta):
    """NVIDIA's would run ``module_src`` here."""
    raise AssertionError("called by a reader that runs pickles")


NAMES = {
    reconstruct: ("torch_utils.persistence", "_reconstruct_persistent_obj"),
    EasyDict: ("dnnlib.util", "EasyDict"),
}
for thing, (module, name) in NAMES.items():
    thing.__module__, thing.__qualname__, thing.__name__ = module, name, name


def dumps(content, protocol=4):
    """The bytes of a pickle in which the stand-ins have NVIDIA's names."""
    modules = {}
    for thing, (module, name) in NAMES.items():
        modules |= {module.partition(".")[0]: types.ModuleType("package"), module: types.ModuleType(module)}
        setattr(modules[module], name, thing)
    with patch.dict(sys.modules, modules):
        return pickle.dumps(content, protocol=protocol)


def tiny_networks(seed=0):
    """{"G", "D", "G_ema", ...} of no real architecture, and the tensors of G_ema by name."""
    random = torch.Generator().manual_seed(seed)
    tensor = lambda *shape: torch.randn(*shape, generator=random)  # noqa: E731
    weight, bias, average, strength = tensor(4, 3, 3, 3), tensor(4), tensor(8), tensor(1)[0]
    layer = Network(
        "SynthesisLayer",
        {"weight": weight, "bias": bias, "noise_strength": strength, "absent": None},
        {"noise_const": weight[0].transpose(0, 2), "temporary": tensor(2)},
        hidden=("temporary",),
        gain=numpy.sqrt(numpy.float64(2)),
        sizes=numpy.arange(6).reshape(2, 3),
        flag=numpy.bool_(True),
    )
    mapping = Network("MappingNetwork", buffers={"w_avg": average, "half": average.half(), "count": torch.tensor(3)})
    kwargs = {"z_dim": 8, "mapping_kwargs": EasyDict(num_layers=2), "clamp": None, "taps": (1, 3, 3, 1), "rate": 0.5}
    generator = Network(
        "Generator", modules={"synthesis": Network("SynthesisNetwork", modules={"b4": layer}), "mapping": mapping},
        args=(8, 0), kwargs=kwargs,
    )  # fmt: skip
    judge = Network("Discriminator", modules={"b4": Network("Epilogue", {"weight": weight * 2})}, kwargs={"c_dim": 0})
    content = {"training_set_kwargs": EasyDict(path="x.zip"), "G": generator, "D": judge, "G_ema": generator}
    tensors = {
        "synthesis.b4.weight": weight,
        "synthesis.b4.bias": bias,
        "synthesis.b4.noise_strength": strength,
        "synthesis.b4.noise_const": weight[0].transpose(0, 2),
        "mapping.w_avg": average,
        "mapping.half": average.half(),
        "mapping.count": torch.tensor(3),
    }
    return content | {"augment_pipe": Network("AugmentPipe")}, tensors

"""Operators of deepinv by name in a spec, such as ``deepinv:Downsampling,factor=4``."""

from __future__ import annotations

import difflib
import inspect
import re
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import nn

from degradations.core.parameter import Parameter, quote
from degradations.core.registry import register
from degradations.deepinv.adapter import Adapter, FittedPhysics, Shape, fit, physics_module
from degradations.deepinv.noise import convert_noise
from degradations.errors import SpecError, summarize

OURS = ("self", "device", "dtype", "rng", "kwargs")  # not part of a spec: determined by x, or by the seed
WORDS = {"true": True, "false": False, "none": None}


@dataclass(frozen=True)
class AnyValue(Parameter):
    """A parameter of a class of deepinv: a number, a size such as 3x32x32, true, false, none, or a word."""

    kind: str = "text"

    @property
    def expected(self):
        return "a number, a size such as 3x32x32, true, false, none or a word"

    def read(self, text):
        if text in ("auto", "?") or ".." in text:
            raise SpecError(f"{self.name}={text}: an estimate is not possible for deepinv's values; give a value")
        if text in WORDS:
            return WORDS[text]
        for pattern, meaning in (
            (r"[+-]?\d{1,18}", int),
            (r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", float),
            (r"\d{1,9}(x\d{1,9}){1,7}", lambda t: tuple(map(int, t.split("x")))),
        ):
            if re.fullmatch(pattern, text):
                return meaning(text)
        return self.check(text)

    def write(self, value):
        if isinstance(value, tuple):
            return "x".join(map(str, value))
        return quote(next((word for word, meant in WORDS.items() if meant is value), str(value)))


@register("deepinv")
class Deepinv(Adapter):
    """Apply any operator of the library deepinv, by the name of its class in ``deepinv.physics``.

    (N, C, H, W) -> (N, c, h, w) as the class defines. Its values follow by name; ``img_size`` and ``img_width`` are
    those of x unless they are given, and random parts are drawn from ``seed``. ``noise_model=PoissonNoise`` with
    ``noise_model.gain=0.05`` adds noise, in deepinv's units. Nothing in the text is evaluated as code. For operators
    that exist as objects see ``degradations.from_deepinv``.
    """

    parameters_spec = (
        Parameter("physics", kind="text", required=True, help="a class of deepinv.physics; its values follow by name"),
    )
    example = "deepinv:Downsampling,factor=4,filter=none"
    strengths = tuple(f"deepinv:Downsampling,factor={n},filter=bicubic" for n in (2, 4, 8))

    def __init__(self, physics: str | None = None, **values):
        super().__init__(physics=physics)
        self.kind = _find_class(physics)
        accepted = {name: one.default for name, one in inspect.signature(self.kind).parameters.items()}
        known = [name for name in accepted if name not in OURS] + ["noise_model"] * ("noise_model" not in accepted)
        known += ["seed"] * ("rng" in accepted)
        noise = {name.partition(".")[2]: values.pop(name) for name in list(values) if name.startswith("noise_model.")}
        for name, value in values.items():
            if name not in known:
                raise SpecError(f"deepinv: {physics} has no parameter {name!r}; it has {', '.join(known)}")
            expected = accepted.get(name, 0 if name == "seed" else "")
            if isinstance(expected, int | float) and not isinstance(expected, bool) and isinstance(value, str):
                raise SpecError(f"deepinv: {physics}: {name}={value} is not a number")
        if "seed" in values and not (isinstance(values["seed"], int) and values["seed"] >= 0):
            raise SpecError(f"deepinv: {physics}: seed={values['seed']} is not a whole number from 0")
        self.values = values
        self.noise_values = noise
        self.random = "rng" in accepted
        self.linear = issubclass(self.kind, physics_module().LinearPhysics)
        self.smooth = self.linear
        self.pointwise = self.well_posed = issubclass(self.kind, physics_module().Inpainting)
        self.noise = self._noise(accepted)

    def _noise(self, accepted: dict):
        name = self.values.get("noise_model")
        if name is not None:
            model = _find_class(name, "NoiseModel", "noise_model")
            try:
                return convert_noise(model(**self.noise_values))
            except (TypeError, ValueError) as error:
                raise SpecError(f"deepinv: {name} cannot be made: {error}") from error
        if self.noise_values:
            raise SpecError(f"deepinv: noise_model.{min(self.noise_values)} has no noise_model; name its class")
        return (
            convert_noise(self.kind().noise_model)
            if "noise_model" in accepted and "noise_model" not in self.values
            else None
        )

    @classmethod
    def parameter(cls, name):
        return cls.parameters_spec[0] if name == "physics" else AnyValue(name)

    @property
    def spec(self):
        every = {**self.values, **{f"noise_model.{name}": value for name, value in self.noise_values.items()}}
        return ",".join([f"deepinv:{self.physics}", *(f"{name}={AnyValue(name).write(every[name])}" for name in every)])

    def build(self, picture=None, seed=0, size=None):
        """Return a copy with the given seed, if something is drawn at random and has no seed yet."""
        if not self.random or "seed" in self.values:
            return self
        built = self._shallow_copy()
        built.values = {**self.values, "seed": seed}
        return built

    def fit_to(self, shape, dtype, device):
        if self.random and "seed" not in self.values:
            raise SpecError(f"{self.spec} is drawn at random and has no seed yet; call .build(picture, seed) first")
        values = {name: value for name, value in self.values.items() if name not in ("noise_model", "seed")}
        seed = self.values.get("seed", 0)
        return _make_physics(self.kind, tuple(values.items()), seed=seed, shape=shape, dtype=dtype, device=device)

    def _probe(self, c, hw):  # the shape of y does not depend on the seed
        return super()._probe(c, hw) if not self.random else super(Deepinv, self.build())._probe(c, hw)


def _find_class(name: str, base: str = "Physics", of: str = "physics") -> type:
    """Return a class of deepinv.physics by its name; nothing else that Python could make of the text."""
    library = physics_module()
    ancestor = getattr(library, base)
    known = [key for key, one in vars(library).items() if isinstance(one, type) and issubclass(one, ancestor)]
    if name in known:
        return getattr(library, name)
    near = difflib.get_close_matches(str(name), known, 1, cutoff=0.5)
    example = "Downsampling" if base == "Physics" else "PoissonNoise"
    hint = f"did you mean {near[0]}?" if near else f"expected the name of such a class, e.g. {example}"
    raise SpecError(f"deepinv: {of}={name} is not a {base} of deepinv.physics; {hint}")


@lru_cache(maxsize=32)
def _make_physics(
    kind: type, values: tuple, *, seed: int, shape: Shape, dtype: torch.dtype, device: torch.device
) -> FittedPhysics:
    accepted = inspect.signature(kind).parameters
    arguments = dict(values)
    if "img_size" in accepted:
        arguments.setdefault("img_size", shape)
    if "img_width" in accepted:
        arguments.setdefault("img_width", shape[-1])
    try:
        with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if "rng" in accepted:
                arguments["rng"] = torch.Generator().manual_seed(seed)
            physics: nn.Module = kind(**arguments)
    except Exception as error:  # third-party code may fail in any way
        size = "x".join(map(str, shape))
        raise SpecError(
            f"deepinv: {kind.__name__} cannot be made for an x of {size}: {summarize(error)}; give it other values"
        ) from error
    with torch.inference_mode(False):
        return fit(physics, shape, dtype, device)

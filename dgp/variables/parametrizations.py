"""Parametrizations: how the value of a variable becomes input of the generator, and where the value starts."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor

from dgp.observation.batch import ObservationBatch
from dgp.registry import Options, Registry
from generators import GeneratorInfo, Prior

PARAMETRIZATIONS = Registry(
    "chart",
    "dgp.charts",
    {
        "direct": "dgp.variables.parametrizations",
        "mapped-gaussian": "dgp.variables.parametrizations",
        "correlated-gaussian": "dgp.variables.parametrizations",
        "noise": "dgp.variables.parametrizations",
        "codes": "dgp.variables.parametrizations",
        "warp": "dgp.variables.spatial_transform",
        "phi": "dgp.variables.operator_parameters",
    },
)

LATENT_SPACES = ("z", "w", "w+", "w++")  # from narrow to wide; a run has one of them at a time


class Parametrization(Options):
    """How a variable gives the generator its input; a recipe states it as the variable's ``chart``.

    The variable carries the name of the input that it gives. A subclass defines ``initialize``, and ``to_latents``
    where the value is not itself the input.

    Attributes:
        auxiliary: whether the variable starts in every run whose recipe names it. Otherwise only the variable in which
            the run starts (``space``) does.
    """

    kind: str
    auxiliary: ClassVar[bool] = False

    def provides(self, name: str, info: GeneratorInfo) -> tuple[str, ...]:
        """Return the names of the values that make up the variable; none where the network does not take it."""
        return (name,) if any(spec.name == name for spec in info.latents) else ()

    def suits(self, name: str) -> bool:
        """Return whether the generator's input ``name`` can be given in this way."""
        return True

    def adapt(self, depth: int) -> Parametrization:
        """Return the same parametrization for a network of ``depth`` blocks."""
        return self

    def network_cost(self, depth: int | None) -> int:
        """Return how many generator passes its input costs beyond the pass that renders the picture.

        Args:
            depth: blocks of the generator; None: unknown, then the fewest that the parametrization allows.
        """
        return 0

    def initialize(
        self, name: str, drawn: dict[str, Tensor], *, count: int, prior: Prior, random: torch.Generator
    ) -> dict[str, Tensor]:
        """Return the values of rows at the start of a run.

        Args:
            name: the variable.
            drawn: values drawn so far by name, each (count, ...).
            count: number of rows.
            prior: the prior.
            random: random generator on the CPU.
        """
        raise NotImplementedError

    def to_latents(self, name: str, values: dict[str, Tensor], prior: Prior) -> dict[str, Tensor]:
        """Return the generator's inputs that the variable gives, each (N, ...); differentiable."""
        return {name: values[name]}

    def from_latent(self, latent: Tensor, prior: Prior) -> Tensor:
        """Return the value whose input is ``latent`` (N, ...): the inverse of ``to_latents``."""
        return latent


class ImageTransform(Parametrization):
    """A variable that gives the generator nothing and transforms its picture instead."""

    def suits(self, name):
        return False

    def provides(self, name, info):
        return (name,)

    def to_latents(self, name, values, prior):
        return {}

    def transform(self, image: Tensor, value: Tensor, batch: ObservationBatch, pictures: Tensor) -> Tensor:
        """Return the picture that is compared with the observations.

        Args:
            image: the generator's pictures, (N, 3, R, R) in [-1, 1].
            value: the variable, (N, ...).
            batch: the observations of the run.
            pictures: index of the observation of each row, (N,).
        """
        raise NotImplementedError

    def coverage(self, value: Tensor, batch: ObservationBatch, pictures: Tensor) -> Tensor:
        """Return how much of each pixel shows the generator's picture, (N, 1, R, R) in [0, 1]."""
        raise NotImplementedError


@PARAMETRIZATIONS.register("direct")
class Direct(Parametrization):
    """The value is the input. Where the network does not draw it, it starts as what the drawn latents map to."""

    kind: str = "direct"

    def initialize(self, name, drawn, *, count, prior, random):
        return drawn if name in drawn else prior.generator.convert(drawn, name)


@PARAMETRIZATIONS.register("mapped-gaussian")
class MappedGaussian(Parametrization):
    """Standard normal values v with w = act(mean + L v), PULSE's Gaussian of w (Menon et al. 2020, its code).

    Mean and deviation L are those of w before the mapping network's last nonlinearity ``act``. For w and w+.
    """

    kind: str = "mapped-gaussian"

    def suits(self, name):
        return name in ("w", "w+")

    def provides(self, name, info):
        return super().provides(name, info) if name in ("w", "w+") else ()

    def initialize(self, name, drawn, *, count, prior, random):
        info = prior.generator.info
        (shape,) = (spec.shape for spec in info.latents if spec.name == name)
        replaced = {spec.name for spec in info.latents if spec.sampled}
        rest = {key: value for key, value in drawn.items() if key not in replaced}
        return rest | {name: torch.randn(count, *shape, generator=random).to(prior.generator.device)}

    def to_latents(self, name, values, prior):
        return {name: self.gaussian(prior).to_w(values[name])}

    def from_latent(self, latent, prior):
        return self.gaussian(prior).from_w(latent)

    def gaussian(self, prior: Prior):
        """Return the Gaussian, of the prior's statistics."""
        return prior.statistics.gaussian


@PARAMETRIZATIONS.register("correlated-gaussian")
class CorrelatedGaussian(MappedGaussian):
    """Standard normal values v with w = act(mean + v L), where L L^T has all correlations of w (Zhu et al. 2020, P_N).

    Steps of equal length in v are equally likely under the prior in every direction, which those in w are not: without
    the correlations, most values of v give a w that the mapping network never gives.
    """

    kind: str = "correlated-gaussian"

    def gaussian(self, prior):
        return prior.statistics.correlated_gaussian


@PARAMETRIZATIONS.register("noise")
class Noise(Parametrization):
    """A noise map of a StyleGAN.

    start: "drawn" from N(0, 1), "stored" as in the file, or "zero".
    """

    kind: str = "noise"
    auxiliary: ClassVar[bool] = True
    start: Literal["drawn", "stored", "zero"] = "drawn"

    def suits(self, name):
        return name.startswith("noise[")

    def initialize(self, name, drawn, *, count, prior, random):
        (shape,) = (spec.shape for spec in prior.generator.info.latents if spec.name == name)
        device = prior.generator.device
        if self.start == "stored":
            value = prior.generator.default_input(name).expand(count, *shape).clone()
        elif self.start == "zero":
            value = torch.zeros(count, *shape, device=device)
        else:
            value = torch.randn(count, *shape, generator=random).to(device)
        return drawn | {name: value}


@PARAMETRIZATIONS.register("codes")
class Codes(Parametrization):
    """Several codes z_n whose feature maps are mixed: F = sum_n F_n * alpha_n (Gu et al. 2020, mGANprior, eq. 3).

    Each code passes the first blocks; alpha_n weighs the channels of its map. Later blocks, where they read z or w,
    read the mean over the codes. The weights are the value ``importance``, (N, count, channels).

    count: number of codes.  block: the block whose input is mixed.
    """

    kind: str = "codes"
    count: PositiveInt = 20
    block: NonNegativeInt = 4

    def suits(self, name):
        return False

    def provides(self, name, info):
        return (name, "importance") if any(s.name == "z" and s.sampled for s in info.latents) else ()

    def initialize(self, name, drawn, *, count, prior, random):
        z = prior.generator.sample(count * self.count, generator=random)["z"]
        values = {key: value for key, value in drawn.items() if key != "z"}
        values[name] = z.unflatten(0, (count, self.count))
        with torch.no_grad():
            one = {key: value[:1] for key, value in values.items()}
            channels = self._feature_maps(name, one, prior)[f"feature@{self.block}"].shape[1]
        return values | {"importance": z.new_full((count, self.count, channels), 1 / self.count)}

    def adapt(self, depth):
        return self if self.block < depth else self.model_copy(update={"block": depth - 1})

    def network_cost(self, depth):
        return -(-self.count * self.block // (depth or self.block + 1))

    def _feature_maps(self, name: str, values: dict[str, Tensor], prior: Prior) -> dict[str, Tensor]:
        codes = {"z": values[name].flatten(0, 1)}
        if "class" in values:
            codes["class"] = values["class"].repeat_interleave(self.count, 0)
        return prior.generator.convert(codes, f"feature@{self.block}")

    def to_latents(self, name, values, prior):
        feature = f"feature@{self.block}"
        found = self._feature_maps(name, values, prior)
        maps = {key: value.unflatten(0, (-1, self.count)) for key, value in found.items()}
        mixed = {
            key: value.float().mean(1) if value.is_floating_point() else value[:, 0] for key, value in maps.items()
        }
        return mixed | {feature: (maps[feature] * values["importance"][..., None, None]).sum(1)}


def default_parametrization(name: str) -> Parametrization:
    """Return the parametrization of a variable whose recipe states none."""
    if name == "warp":
        return PARAMETRIZATIONS.find("warp")()
    return Noise() if name.startswith("noise[") else Direct()

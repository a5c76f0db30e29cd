"""Charts: how a variable begins, and how its value becomes input of the generator."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from pydantic import NonNegativeInt, PositiveInt

from dgp.registry import Frozen, Kinds

if TYPE_CHECKING:
    from torch import Tensor

    from dgp.losses.prediction import Targets
    from generators import GeneratorInfo, Prior

CHARTS = Kinds("chart", "dgp.variables.parametrizations")


class Chart(Frozen):
    """Of the variable ``name``, which is called after the generator's input that it gives.

    accompanies: whether it begins in every run that names it, and not only where a run begins in it.
    """

    kind: str
    accompanies: ClassVar[bool] = False

    def provides(self, name: str, info: GeneratorInfo) -> tuple[str, ...]:
        """Names of the values that the variable consists of; none where the network cannot take it."""
        return (name,) if any(spec.name == name for spec in info.latents) else ()

    def stands_for(self, name: str) -> bool:
        """Whether it can be the chart of the generator's input ``name``."""
        return True

    def fitted(self, depth: int) -> Chart:
        """The same on a network of ``depth`` blocks."""
        return self

    def passes(self, depth: int | None) -> int:
        """How many passes through a generator of ``depth`` blocks its input costs, beyond that of the picture.

        depth: None where the network is not known; then for one of the fewest blocks.
        """
        return 0

    def begin(
        self, name: str, drawn: dict[str, Tensor], count: int, prior: Prior, random: torch.Generator
    ) -> dict[str, Tensor]:
        """The values of ``count`` rows at the start of a run, given those drawn so far, each (count, ...)."""
        raise NotImplementedError

    def latents(self, name: str, values: dict[str, Tensor], prior: Prior) -> dict[str, Tensor]:
        """The generator's inputs that the variable gives, each (N, ...); differentiable."""
        return {name: values[name]}

    def inverse(self, latent: Tensor, prior: Prior) -> Tensor:
        """The value of which ``latent`` (N, ...) is the input."""
        return latent

    def picture(
        self, name: str, image: Tensor, values: dict[str, Tensor], targets: Targets, pictures: Tensor
    ) -> Tensor:
        """What is compared with the observations: of image (N, 3, R, R), where the variable moves it.

        pictures (N,): the observation of each row.
        """
        return image

    def cover(self, name: str, values: dict[str, Tensor], targets: Targets, pictures: Tensor) -> Tensor | None:
        """(N, 1, R, R) in [0, 1]: how much of each pixel shows the generator's picture; None where all do."""
        return None


@CHARTS.register("direct")
class Direct(Chart):
    """The value is the input. Where the network does not draw it, it begins as what its own latents become."""

    kind: str = "direct"

    def begin(self, name, drawn, count, prior, random):
        return drawn if name in drawn else prior.generator.convert(drawn, name)


@CHARTS.register("mapped-gaussian")
class MappedGaussian(Chart):
    """Standard normal values, which PULSE's Gaussian maps to w or w+ (Menon et al. 2020, its code): the mean and
    deviation of w before the mapping network's last nonlinearity, then that nonlinearity."""

    kind: str = "mapped-gaussian"

    def stands_for(self, name):
        return name in ("w", "w+")

    def provides(self, name, info):
        return super().provides(name, info) if name in ("w", "w+") else ()

    def begin(self, name, drawn, count, prior, random):
        info = prior.generator.info
        (shape,) = (spec.shape for spec in info.latents if spec.name == name)
        replaced = {spec.name for spec in info.latents if spec.sampled}
        rest = {key: value for key, value in drawn.items() if key not in replaced}
        return rest | {name: torch.randn(count, *shape, generator=random).to(prior.generator.device)}

    def latents(self, name, values, prior):
        return {name: prior.statistics.gaussian.to_w(values[name])}

    def inverse(self, latent, prior):
        return prior.statistics.gaussian.from_w(latent)


@CHARTS.register("noise")
class Noise(Chart):
    """A noise map of a StyleGAN. start: "drawn" from N(0, 1), "stored" in the file, or "zero"."""

    kind: str = "noise"
    accompanies: ClassVar[bool] = True
    start: Literal["drawn", "stored", "zero"] = "drawn"

    def stands_for(self, name):
        return name.startswith("noise[")

    def begin(self, name, drawn, count, prior, random):
        (shape,) = (spec.shape for spec in prior.generator.info.latents if spec.name == name)
        device = prior.generator.device
        if self.start == "stored":
            value = prior.generator.default_input(name).expand(count, *shape).clone()
        elif self.start == "zero":
            value = torch.zeros(count, *shape, device=device)
        else:
            value = torch.randn(count, *shape, generator=random).to(device)
        return drawn | {name: value}


@CHARTS.register("codes")
class Codes(Chart):
    """Several codes, each of which passes the first blocks; their feature maps are summed, each channel by the code's
    own weight (Gu et al. 2020, mGANprior, eq. 3). What later blocks read of z or w is the codes' mean.

    count: how many.  block: where their maps meet.  The weights are the value ``importance`` (N, count, channels).
    """

    kind: str = "codes"
    count: PositiveInt = 20
    block: NonNegativeInt = 4

    def stands_for(self, name):
        return False

    def provides(self, name, info):
        return (name, "importance") if any(s.name == "z" and s.sampled for s in info.latents) else ()

    def begin(self, name, drawn, count, prior, random):
        z = prior.generator.sample(count * self.count, generator=random)["z"]
        values = {key: value for key, value in drawn.items() if key != "z"}
        values[name] = z.unflatten(0, (count, self.count))
        with torch.no_grad():
            one = {key: value[:1] for key, value in values.items()}
            channels = self._maps(name, one, prior)[f"feature@{self.block}"].shape[1]
        return values | {"importance": z.new_full((count, self.count, channels), 1 / self.count)}

    def fitted(self, depth):
        return self if self.block < depth else self.model_copy(update={"block": depth - 1})

    def passes(self, depth):
        return -(-self.count * self.block // (depth or self.block + 1))

    def _maps(self, name: str, values: dict[str, Tensor], prior: Prior) -> dict[str, Tensor]:
        codes = {"z": values[name].flatten(0, 1)}
        if "class" in values:
            codes["class"] = values["class"].repeat_interleave(self.count, 0)
        return prior.generator.convert(codes, f"feature@{self.block}")

    def latents(self, name, values, prior):
        feature = f"feature@{self.block}"
        maps = {key: value.unflatten(0, (-1, self.count)) for key, value in self._maps(name, values, prior).items()}
        mixed = {
            key: value.float().mean(1) if value.is_floating_point() else value[:, 0] for key, value in maps.items()
        }
        return mixed | {feature: (maps[feature] * values["importance"][..., None, None]).sum(1)}


def default_chart(name: str) -> Chart:
    """The chart of a variable that states none."""
    if name == "warp":
        return CHARTS.find("warp")()
    return Noise() if name.startswith("noise[") else Direct()

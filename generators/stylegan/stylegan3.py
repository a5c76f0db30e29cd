"""The generator of StyleGAN3 (Karras et al. 2021), configurations T and R, with NVIDIA's parameter names."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.base import GeneratorInfo, ParameterGroup, State
from generators.latents import LatentSpec
from generators.stylegan.bands import Band, Schedule, layer_names
from generators.stylegan.filtered_leaky_relu import FilteredLeakyReLU
from generators.stylegan.fourier_input import FourierInput
from generators.stylegan.lowpass import lowpass
from generators.stylegan.mapping import Mapping
from generators.stylegan.ops import DEMODULATION_EPS, Modulated, sum_squares
from generators.stylegan.style_generator import StyleGenerator

MOST_TAPS = 256


@dataclass(frozen=True)
class StyleGAN3Config:
    """Configuration of a StyleGAN3 generator.

    Shapes of a checkpoint determine the fields before ``num_critical``; the others must come from the file's metadata.

    Attributes:
        resolution: pixels a side.
        channels: of each layer; the last one makes colours.
        z_dim: size of z.
        w_dim: size of w.
        mapping_layers: layers of the mapping network.
        mapping_width: their width.
        n_classes: number of classes.
        embed_dim: width of the class embedding.
        conv_kernel: 3 in configuration T, 1 in R.
        use_radial_filters: whether filters are radial, as in configuration R.
        num_critical: see ``Schedule``, as the next four.
        first_cutoff: cutoff of the first layer.
        first_stopband: stopband of the first layer.
        last_stopband_rel: stopband of the last layers, relative to their cutoff.
        margin_size: pixels beyond each border.
        filter_size: taps of a filter for each factor of resampling.
        lrelu_upsampling: factor of the finer grid on which the nonlinearity acts.
        conv_clamp: bound of activations, None for none.
        output_scale: factor of the picture.
    """

    resolution: int
    channels: tuple[int, ...]
    z_dim: int = 512
    w_dim: int = 512
    mapping_layers: int = 2
    mapping_width: int = 512
    n_classes: int = 0
    embed_dim: int = 0
    conv_kernel: int = 3
    use_radial_filters: bool = False
    num_critical: int = 2
    first_cutoff: float = 2.0
    first_stopband: float = 2**2.1
    last_stopband_rel: float = 2**0.3
    margin_size: int = 10
    filter_size: int = 6
    lrelu_upsampling: int = 2
    conv_clamp: float | None = 256.0
    output_scale: float = 0.25

    @property
    def bands(self) -> list[Band]:
        schedule = Schedule(
            self.resolution,
            num_layers=len(self.channels) - 1,
            num_critical=self.num_critical,
            first_cutoff=self.first_cutoff,
            first_stopband=self.first_stopband,
            last_stopband_rel=self.last_stopband_rel,
            margin_size=self.margin_size,
        )
        return schedule.bands()


def normalise_filters(weight: Tensor) -> Tensor:
    """Divide each filter of (O, I, k, k) by its root mean square."""
    weight = weight * torch.rsqrt(weight.square().mean((1, 2, 3), keepdim=True))
    return weight.contiguous(memory_format=torch.channels_last)


class Layer(Modulated):
    """Modulated convolution with demodulation, bias and filtered leaky ReLU (Karras et al. 2021, appendix F.2 and F.3).

    Args:
        cin: input channels.
        cout: output channels.
        before: band of the input.
        after: band of the output.
        critical: whether the output is sampled critically.
        config: of the network.

    Attributes:
        magnitude_ema: running mean square of the input in training.
    """

    def __init__(self, cin: int, cout: int, before: Band, after: Band, critical: bool, config: StyleGAN3Config):
        super().__init__(cin, cout, config.conv_kernel, config.w_dim)
        self.register_buffer("magnitude_ema", torch.ones(()))
        self.before, self.after = before, after
        self.fine = max(before.rate, after.rate) * config.lrelu_upsampling
        up, down = self.fine // before.rate, self.fine // after.rate
        self.taps = config.filter_size * up, config.filter_size * down
        if max(self.taps) > MOST_TAPS:
            raise ValueError(f"filters of {max(self.taps)} taps, expected at most {MOST_TAPS}")
        self.radial = config.use_radial_filters and not critical
        up_filter, down_filter = self.design_filters()
        self.register_buffer("up_filter", up_filter)
        self.register_buffer("down_filter", down_filter)
        self.nonlinearity = FilteredLeakyReLU(
            before.size,
            after.size,
            up=up,
            down=down,
            up_taps=self.taps[0],
            down_taps=self.taps[1],
            kernel=config.conv_kernel,
            clamp=config.conv_clamp,
        )

    def design_filters(self) -> tuple[Tensor, Tensor]:
        """Return the filters before and after the nonlinearity that the bands require."""
        before, after = self.before, self.after
        return (
            lowpass(self.taps[0], before.cutoff, 2 * before.half_width, self.fine),
            lowpass(self.taps[1], after.cutoff, 2 * after.half_width, self.fine, radial=self.radial),
        )

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Apply the layer to x (N, cin, h, w) with w (N, w_dim)."""
        gain = self.nonlinearity.gain
        with torch.autocast(x.device.type, enabled=False):
            s = self.styles(w)
            s = s * torch.rsqrt(s.square().mean(1, keepdim=True))
            squared = s.square() @ self.get_derived("energy", lambda weight: sum_squares(normalise_filters(weight))).t()
            d = torch.rsqrt(squared + DEMODULATION_EPS) * torch.rsqrt(self.magnitude_ema) * gain
        x, padding = self.nonlinearity.crop_input(x)
        y = F.conv2d(x * s.to(x.dtype)[:, :, None, None], self.get_derived("unit", normalise_filters), padding=padding)
        bias = (self.bias * gain).to(y.dtype)
        y = torch.addcmul(bias[:, None, None], y, d.to(y.dtype)[:, :, None, None])
        return self.nonlinearity(y, self.up_filter, self.down_filter)


class ToRGB(Modulated):
    """Modulated 1x1 convolution to colours without demodulation; small enough to give each row its own weights."""

    def __init__(self, cin: int, cout: int, config: StyleGAN3Config):
        super().__init__(cin, cout, 1, config.w_dim)
        self.register_buffer("magnitude_ema", torch.ones(()))
        self.clamp = config.conv_clamp

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Map x (N, cin, h, w) with w (N, w_dim) to (N, cout, h, w)."""
        with torch.autocast(x.device.type, enabled=False):
            s = self.styles(w) * torch.rsqrt(self.magnitude_ema) / math.sqrt(self.weight.shape[1])
            own = self.weight[:, :, 0, 0] * s[:, None]
        y = x.permute(0, 2, 3, 1).flatten(1, 2) @ own.to(x.dtype).transpose(1, 2)
        y = y.to(own.dtype).unflatten(1, x.shape[2:]).permute(0, 3, 1, 2) + self.bias[:, None, None]
        return y if self.clamp is None else y.clamp(-self.clamp, self.clamp)


class Synthesis(nn.Module):
    """The Fourier features and all layers."""

    def __init__(self, config: StyleGAN3Config):
        super().__init__()
        bands, channels = config.bands, config.channels
        self.input = FourierInput(channels[0], config.w_dim, bands[0])
        last = len(channels) - 1
        for i, name in enumerate(layer_names(bands, channels)):
            cin, before = channels[max(i - 1, 0)], bands[max(i - 1, 0)]
            if i == last:
                layer = ToRGB(cin, channels[i], config)
            else:
                layer = Layer(
                    cin,
                    channels[i],
                    before=before,
                    after=bands[i],
                    critical=i >= last - config.num_critical,
                    config=config,
                )
            self.add_module(name, layer)

    def layers(self) -> list[Layer | ToRGB]:
        return list(self.children())[1:]


class StyleGAN3(StyleGenerator):
    """StyleGAN3's generator.

    Latents, of which the widest is read: "z" (N, z_dim), with "class" (N, embed_dim) or int64 (N,) where there are
    classes; "w" (N, w_dim); "w+" (N, num_ws, w_dim). There is no noise.

    Block k is layer k. The last one makes the colours, so that the head only scales the picture.
    """

    def __init__(self, config: StyleGAN3Config, classes: tuple[str, ...] = ()):
        super().__init__()
        self.config, self.depth, self.num_ws = config, len(config.channels), len(config.channels) + 1
        self.mapping = Mapping(
            config.z_dim,
            config.w_dim,
            config.mapping_layers,
            width=config.mapping_width,
            n_classes=config.n_classes,
            embed_dim=config.embed_dim,
        )
        self.synthesis = Synthesis(config)
        specs = [LatentSpec("z", "z", (config.z_dim,))]
        if config.n_classes:
            specs.append(LatentSpec("class", "class", (config.embed_dim,)))
        specs.append(LatentSpec("w", "w", (config.w_dim,), sampled=False))
        specs.append(LatentSpec("w+", "w+", (self.num_ws, config.w_dim), sampled=False))
        labels = classes or tuple(str(i) for i in range(config.n_classes))
        self.info = GeneratorInfo("stylegan3", config.resolution, tuple(specs), classes=labels, config=asdict(config))

    def stem(self, latents):
        """Return the Fourier features, (N, channels[0], size, size), margins included."""
        return State(self.synthesis.input(self.w_plus(latents)[:, 0]))

    def block(self, k, state, latents):
        """Apply layer k: (N, channels[k - 1], size, size) -> (N, channels[k], size', size'), see ``config.bands``."""
        return State(self.synthesis.layers()[k](state.hidden, self.w_plus(latents)[:, k + 1]))

    def head(self, state):
        """Multiply the picture by the published output scale."""
        return state.hidden * self.config.output_scale

    def groups(self):
        layers = [name for name, _ in self.synthesis.named_children()]  # begins with the input, released with layer 0

        return [
            ParameterGroup("mapping", self.parameter_names("mapping."), progressive=False),
            ParameterGroup(layers[1], self.parameter_names("synthesis.input.", f"synthesis.{layers[1]}.")),
            *(ParameterGroup(name, self.parameter_names(f"synthesis.{name}.")) for name in layers[2:-1]),
            ParameterGroup(layers[-1], self.parameter_names(f"synthesis.{layers[-1]}."), head=True, progressive=False),
        ]

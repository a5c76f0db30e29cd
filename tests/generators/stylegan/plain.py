"""StyleGAN2's networks written out as the paper defines them, weights of each row and zeros inserted and all.

Read off the tensors of a network of ours; no operation of ours is used, and nothing is arranged to be fast.
"""

import math

import torch
import torch.nn.functional as F

GAIN = math.sqrt(2)


def resampled(x, taps, up=1, down=1, pad=(0, 0), gain=1.0):
    """Zeros after each value, padding, filter, every ``down``-th value."""
    taps = torch.tensor(taps, dtype=x.dtype)
    kernel = (gain * torch.outer(taps, taps) / taps.sum() ** 2).flip(0, 1)
    n, c, h, w = x.shape
    spread = x.new_zeros(n, c, h, up, w, up)
    spread[:, :, :, 0, :, 0] = x
    padded = F.pad(spread.reshape(n, c, h * up, w * up), (*pad, *pad))
    return F.conv2d(padded, kernel.expand(c, 1, -1, -1), groups=c)[:, :, ::down, ::down]


def linear(x, network, name, rate=1.0):
    weight, bias = network[f"{name}.weight"], network[f"{name}.bias"]
    return x @ (weight * rate / math.sqrt(weight.shape[1])).t() + bias * rate


def activated(x, gain=1.0, clamp=None):
    x = F.leaky_relu(x, 0.2) * GAIN * gain
    return x if clamp is None else x.clamp(-clamp * gain, clamp * gain)


def mapped(z, classes, network, config):
    normalised = lambda x: x / (x.square().mean(1, keepdim=True) + 1e-8).sqrt()  # noqa: E731
    given = [] if z is None else [normalised(z)]
    if config.n_classes:
        one_hot = F.one_hot(classes, config.n_classes).to(network["mapping.embed.weight"].dtype)
        given.append(normalised(linear(one_hot, network, "mapping.embed")))
    x = torch.cat(given, 1)
    for i in range(config.mapping_layers):
        x = activated(linear(x, network, f"mapping.fc{i}", config.mapping_rate))
    return x


def own_weights(network, name, rows, eps_power=None):
    """(N, O, I, k, k). rows: (N, O, w_dim), the style of each filter."""
    weight = network[f"{name}.weight"]
    own = weight * linear(rows, network, f"{name}.affine")[:, :, :, None, None]
    if eps_power is None:
        return own / math.sqrt(weight.shape[1])
    inputs = weight[0].numel()
    return own / (own.square().sum((2, 3, 4), keepdim=True) + 1e-8 * inputs**eps_power).sqrt()


def styled(x, network, name, rows, noise, config, up=False, gain=1.0):
    weights = own_weights(network, name, rows, config.demodulation_fan_in)
    half = len(config.taps) // 2 - 1
    parts = []
    for row, weight in zip(x.split(1), weights, strict=True):
        if up:
            row = F.conv_transpose2d(row, weight.transpose(0, 1), stride=2)
            parts.append(resampled(row, config.taps, pad=(half, half), gain=4))
        else:
            parts.append(F.conv2d(row, weight, padding=1))
    x = torch.cat(parts) + noise * network[f"{name}.noise_strength"] + network[f"{name}.bias"][:, None, None]
    return activated(x, gain, config.conv_clamp)


def picture(network, config, rows, noises):
    """rows: for each slot of w+ (N, filters, w_dim); noises: one a convolution."""
    n, half, slot = len(rows[0]), len(config.taps) // 2, 0
    noises, x, rgb = iter(noises), None, None
    of = lambda layer, slot: rows[slot][:, : network[f"{layer}.weight"].shape[0]]  # noqa: E731
    for side in config.sides:
        name, residual = f"synthesis.b{side}", config.architecture == "resnet" and side > 4
        if side == 4:
            x = network[f"{name}.const"].expand(n, -1, -1, -1)
        else:
            if residual:
                weight = network[f"{name}.skip.weight"]
                y = F.conv2d(x, weight / math.sqrt(weight.shape[1]))
                y = resampled(y, config.taps, up=2, pad=(half, half - 1), gain=4) * math.sqrt(0.5)
            x = styled(x, network, f"{name}.conv0", of(f"{name}.conv0", slot), next(noises), config, up=True)
            slot += 1
        gain = math.sqrt(0.5) if residual else 1.0
        x = styled(x, network, f"{name}.conv1", of(f"{name}.conv1", slot), next(noises), config, gain=gain)
        slot += 1
        x = x + y if residual else x
        if rgb is not None:
            rgb = resampled(rgb, config.taps, up=2, pad=(half, half - 1), gain=4)
        if f"{name}.torgb.weight" in network:
            own = own_weights(network, f"{name}.torgb", of(f"{name}.torgb", slot))
            y = torch.einsum("noi,nihw->nohw", own[:, :, :, 0, 0], x) + network[f"{name}.torgb.bias"][:, None, None]
            y = y if config.conv_clamp is None else y.clamp(-config.conv_clamp, config.conv_clamp)
            rgb = y if rgb is None else rgb + y
    return rgb


def convolved(x, network, name, config, down=False):
    weight = network[f"{name}.weight"]
    weight = weight / math.sqrt(weight[0].numel())
    side, half = weight.shape[-1], len(config.taps) // 2
    if down:
        pad = (half, half) if side == 3 else (half - 1, half - 1)
        x = F.conv2d(resampled(x, config.taps, pad=pad), weight, stride=2)
    else:
        x = F.conv2d(x, weight, padding=side // 2)
    bias = network.get(f"{name}.bias")
    return x if bias is None else x + bias[:, None, None]


def judged(network, config, x, classes, group):
    """(N, 1)."""
    rgb, h, half = x, None, len(config.taps) // 2
    for k in reversed(range(1, len(config.channels))):
        name = f"b{4 << k}"
        if f"{name}.fromrgb.weight" in network:
            y = activated(convolved(rgb, network, f"{name}.fromrgb", config), clamp=config.conv_clamp)
            h = y if h is None else h + y
        rgb = resampled(rgb, config.taps, down=2, pad=(half - 1, half - 1))
        y = activated(convolved(h, network, f"{name}.conv0", config), clamp=config.conv_clamp)
        y = convolved(y, network, f"{name}.conv1", config, down=True)
        if config.architecture == "resnet":
            skip = convolved(h, network, f"{name}.skip", config, down=True) * math.sqrt(0.5)
            h = activated(y, math.sqrt(0.5), config.conv_clamp) + skip
        else:
            h = activated(y, clamp=config.conv_clamp)
    if "b4.fromrgb.weight" in network:
        h = h + activated(convolved(rgb, network, "b4.fromrgb", config), clamp=config.conv_clamp)
    n, groups = len(x), len(x) // group
    maps = torch.empty(n, config.statistics, 4, 4, dtype=h.dtype)
    for row in range(n):
        members = h[row % groups :: groups].unflatten(1, (config.statistics, -1))
        deviation = (members.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
        maps[row] = deviation[:, None, None]
    h = activated(convolved(torch.cat([h, maps], 1), network, "b4.conv", config), clamp=config.conv_clamp)
    vector = linear(activated(linear(h.flatten(1), network, "b4.fc")), network, "b4.out")
    if not config.n_classes:
        return vector
    projection = mapped(None, classes, network, config)
    return (vector * projection).sum(1, keepdim=True) / math.sqrt(config.cmap_dim)

"""Small StyleGAN1, StyleGAN3 and MobileStyleGAN networks with weights of no training; inner statistics as after it."""

import torch

from generators.prior import ModelCard, Prior
from generators.stylegan.bands import Schedule
from generators.stylegan.mobile_stylegan import MobileStyleGAN, MobileStyleGANConfig
from generators.stylegan.stylegan1 import StyleGAN1, StyleGAN1Config
from generators.stylegan.stylegan3 import StyleGAN3, StyleGAN3Config

CONFIGURATIONS = {"T": {"conv_kernel": 3}, "R": {"conv_kernel": 1, "use_radial_filters": True}}


@torch.no_grad()
def stylegan1(seed=0):
    torch.manual_seed(seed)
    config = StyleGAN1Config((12, 12, 8), w_dim=16, z_dim=10, mapping_layers=3, mapping_width=14)
    network = StyleGAN1(config).requires_grad_(False).eval()
    for parameter in network.parameters():
        parameter.normal_()
    for i in range(config.mapping_layers):
        layer = network.mapping.get_submodule(f"dense{i}")
        layer.weight.mul_(100)
        layer.bias.mul_(20)
    network.mapping.w_avg.copy_(network.mapping(torch.randn(1000, 10)).mean(0))
    return network


@torch.no_grad()
def stylegan3(configuration, resolution=64, layers=14, n_classes=0, seed=0):
    torch.manual_seed(seed)
    kind = CONFIGURATIONS[configuration]
    config = StyleGAN3Config(
        resolution,
        Schedule(resolution, layers).channels(512, 16),
        z_dim=12,
        w_dim=16,
        mapping_width=16,
        n_classes=n_classes,
        embed_dim=16 if n_classes else 0,
        **kind,
    )
    network = StyleGAN3(config).requires_grad_(False).eval()
    network.synthesis.input.affine.weight.normal_(std=0.3)
    latents = network.sample(4, generator=torch.Generator().manual_seed(seed))
    network.mapping.w_avg.copy_(network.convert(latents, "w")["w"].mean(0))
    for layer in network.synthesis.layers():
        layer.affine.bias.fill_(1)
        layer.bias.normal_(std=0.2)
        layer.register_forward_pre_hook(settle)
    network(latents)
    for layer in network.synthesis.layers():
        layer._forward_pre_hooks.clear()
    return network


def settle(layer, arguments):
    layer.magnitude_ema.copy_(arguments[0].square().mean())


@torch.no_grad()
def mobile_stylegan(seed=0):
    torch.manual_seed(seed)
    config = MobileStyleGANConfig((16, 12, 8), z_dim=10, w_dim=16, mapping_layers=3, mapping_width=14)
    network = MobileStyleGAN(config).requires_grad_(False).eval()
    for name, tensor in network.state_dict().items():
        if name.endswith((".bias", ".noise")):
            tensor.add_(0.3 * torch.randn(tensor.shape))
        elif name.endswith(("affine.weight", "up.weight")):
            tensor.mul_(0.5)
    network.synthesis.torgb.weight.mul_(3)  # so that pictures are as far from each other as those of the others
    network.mapping.w_avg.copy_(network.mean_of_w(1000))
    return network


OTHER_STYLES = {
    "mobilestylegan": mobile_stylegan,
    "stylegan1": stylegan1,
    "stylegan3-t": lambda: stylegan3("T", 32, 5),
    "stylegan3-r with classes": lambda: stylegan3("R", 32, 5, n_classes=3),
}


def other_style_prior(name):
    return Prior(name, OTHER_STYLES[name](), None, ModelCard(name), "")

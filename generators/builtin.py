"""The priors whose weights come with the package."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from generators.load import load_files, open_checkpoint
from generators.prior import Prior
from generators.registry import register

DEFAULT = "biggan-cifar10"
BUNDLED = Path(str(files("generators") / "bundled"))
SHA256 = {
    "biggan-cifar10-G_ema.safetensors": "0781c817a68c62427ff93cc5c4f9cab40b6970c136f5694207e71310360f4494",
    "biggan-cifar10-D.safetensors": "4d04981aedf859cb5afcc9907cc6dec68e2053f2d9d7c8c22925ae86da8451d5",
    "biggan-cifar10-wide-G_ema.safetensors": "55a038d94da1ca6337ff50b68f41138c44d823b82920fb72dfa8640bdf312542",
    "biggan-cifar10-wide-D.safetensors": "5f213e5f8a98fdfad842ddbf9a600bfea49aafef3e03e75181e45a27c27b53c8",
    "stylegan2-cifar10-G_ema.safetensors": "3dbd7c837dc04ead8cbd27683a7a6e0834049d2c4db0609cc127d29e01b760a8",
    "stylegan2-cifar10-D.safetensors": "1b61fb82ac7b53ca8ea8d45c75cd9734c0c64b64fe9dd909d8d7f9fd7139279e",
}


@register("biggan-cifar10")
def biggan_cifar10() -> Prior:
    """Class-conditional BigGAN, 32 px, trained by the project on the training split of CIFAR-10."""
    return _bundled("biggan-cifar10", "cats, dogs and birds are often not recognisable")


@register("biggan-cifar10-wide")
def biggan_cifar10_wide() -> Prior:
    """Class-conditional BigGAN, 32 px, of the published width, trained by the project on the same pictures."""
    return _bundled("biggan-cifar10-wide", "cats and birds are often not recognisable")


@register("stylegan2-cifar10")
def stylegan2_cifar10() -> Prior:
    """Class-conditional StyleGAN2, 32 px, trained by the project on the same pictures, with that BigGAN as teacher."""
    return _bundled("stylegan2-cifar10", "cats, dogs, birds and frogs are often not recognisable")


def _bundled(name: str, limits: str) -> Prior:
    paths = [BUNDLED / f"{name}-{role}.safetensors" for role in ("G_ema", "D")]
    for path in paths:
        open_checkpoint(path, SHA256[path.name])
    prior = load_files(*paths, name=name)
    text = (BUNDLED / f"{name}-card.md").read_text(encoding="utf-8")
    return replace(prior, card=replace(prior.card, limits=f"32x32 pixels, ten classes; {limits}", text=text))

"""The priors that come with the project."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from generators.load import checked, from_files
from generators.prior import ModelCard, Prior
from generators.registry import register

DEFAULT = "biggan-cifar10"
BUNDLED = Path(str(files("generators") / "bundled"))
SHA256 = {
    "biggan-cifar10-G_ema.safetensors": "0781c817a68c62427ff93cc5c4f9cab40b6970c136f5694207e71310360f4494",
    "biggan-cifar10-D.safetensors": "4d04981aedf859cb5afcc9907cc6dec68e2053f2d9d7c8c22925ae86da8451d5",
    "stylegan2-cifar10-G_ema.safetensors": "5ddf356be4cf5803f291cde2d79b45105cc228d6cb3109039a469c113ff3c8bd",
    "stylegan2-cifar10-D.safetensors": "b47d7ab15d773e1b58c7459d69888cb033441e7e99fa59a98ac89fe6111a14fd",
}


@register("biggan-cifar10")
def biggan_cifar10() -> Prior:
    """Class-conditional BigGAN, 32 px, trained by the project on the training split of CIFAR-10."""
    return _bundled("biggan-cifar10", "cats, dogs and birds are often not recognisable")


@register("stylegan2-cifar10")
def stylegan2_cifar10() -> Prior:
    """Class-conditional StyleGAN2, 32 px, trained by the project on the same pictures, taught by that BigGAN."""
    return _bundled("stylegan2-cifar10", "cats, dogs, birds and frogs are often not recognisable")


def _bundled(name: str, limits: str) -> Prior:
    paths = [BUNDLED / f"{name}-{role}.safetensors" for role in ("G_ema", "D")]
    for path in paths:
        checked(path, SHA256[path.name])
    card = ModelCard(
        name,
        data="CIFAR-10, training split (Krizhevsky 2009)",
        licence="MIT",
        origin="trained by the project from random initialisation",
        limits=f"32x32 pixels, ten classes; {limits}",
        text=(BUNDLED / f"{name}-card.md").read_text(encoding="utf-8"),
    )
    return from_files(*paths, name=name, card=card)

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
}


@register("biggan-cifar10")
def biggan_cifar10() -> Prior:
    """Class-conditional BigGAN, 32 px, trained by the project on the training split of CIFAR-10."""
    for name, sha256 in SHA256.items():
        checked(BUNDLED / name, sha256)
    card = ModelCard(
        "biggan-cifar10",
        data="CIFAR-10, training split (Krizhevsky 2009)",
        licence="MIT",
        origin="trained by the project from random initialisation",
        limits="32x32 pixels, ten classes; cats, dogs and birds are often not recognisable",
        text=(BUNDLED / "biggan-cifar10-card.md").read_text(encoding="utf-8"),
    )
    return from_files(
        BUNDLED / "biggan-cifar10-G_ema.safetensors",
        BUNDLED / "biggan-cifar10-D.safetensors",
        name="biggan-cifar10",
        card=card,
    )

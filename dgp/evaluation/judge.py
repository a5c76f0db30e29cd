"""A judge: a small classifier that says whether an answer is still recognised as what the original shows.

PSNR rewards the safe guess; a picture that means something else can have a high one. The judge is trained on real
pictures, never on answers. It is no measure of quality on its own: at 32 pixels it also errs on originals.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from dgp.errors import InputError
from dgp.files import sha256_of, write_bytes_atomic
from dgp.observation.images import to_rgb, to_tensor
from generators.brief import counted, parameters

SIDE = 32
AT_ONCE = 100
ABOUT = ("classes", "widths", "data", "licence", "accuracy")


class Network(nn.Sequential):
    """Five 3x3 convolutions, two of them residual, for pictures (N, 3, 32, 32) in [-1, 1]; logits (N, classes).

    widths: channels at 32, 16 and 8 pixels. After Page's `cifar10-fast` (2018), narrower.
    """

    def __init__(self, classes: int, widths: Sequence[int] = (32, 64, 128)):
        fine, middle, coarse = widths
        super().__init__(
            *_convolution(3, fine),
            *_convolution(fine, middle, nn.MaxPool2d(2)),
            Residual(middle),
            *_convolution(middle, coarse, nn.MaxPool2d(2)),
            Residual(coarse),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
            nn.Linear(coarse, classes),
        )


class Residual(nn.Sequential):
    def __init__(self, channels: int):
        super().__init__(*_convolution(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


def _convolution(inputs: int, outputs: int, *pool: nn.Module) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), *pool, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)


@dataclass(frozen=True)
class Judge:
    """A trained network with what its file says of it.

    classes: names, in the order of its logits.  about: data, licence, accuracy.  sha256: of the file.
    """

    network: Network
    classes: tuple[str, ...]
    about: dict
    name: str
    sha256: str

    def class_of(self, folder: str) -> int:
        """The number of the class that a folder names. InputError: it names none."""
        if folder not in self.classes:
            raise InputError(
                f"got pictures in the folder {folder!r}, but the judge knows {', '.join(self.classes)}; "
                "leave --judge out, or give one that was trained on these classes"
            )
        return self.classes.index(folder)

    @torch.inference_mode()
    def probabilities(self, x: Tensor) -> Tensor:
        """x (N, 3, 32, 32) in [-1, 1] -> (N, classes)."""
        return torch.cat([self.network(some).softmax(1) for some in x.split(AT_ONCE)])

    def verdicts(self, shown: Iterable[tuple[Image.Image, str]]) -> list[dict[str, float]]:
        """For each (picture, folder that names what it should show): "recognised" (0 or 1: whether that is the
        likeliest class) and "true_class" (its probability)."""
        x, classes = [], []
        for picture, folder in shown:
            x.append(to_judge_input(picture))
            classes.append(self.class_of(folder))
        if not x:
            return []
        found = self.probabilities(torch.cat(x))
        return [
            {"recognised": float(own == best), "true_class": row[own]}
            for own, best, row in zip(classes, found.argmax(1).tolist(), found.tolist(), strict=True)
        ]

    def __repr__(self) -> str:
        return f"Judge {self.name}: {counted(len(self.classes), 'class', 'classes')}, {parameters(self.network)}"


def to_judge_input(picture: Image.Image) -> Tensor:
    """(1, 3, 32, 32) in [-1, 1]: larger pictures by the mean of areas, smaller ones bilinearly."""
    x = to_tensor(to_rgb(picture))
    if min(x.shape[-2:]) >= SIDE:
        return F.interpolate(x, (SIDE, SIDE), mode="area")
    return F.interpolate(x, (SIDE, SIDE), mode="bilinear", align_corners=False)


def save_judge(path: str | Path, network: Network, about: dict) -> None:
    """Safetensors: convolutions and the last layer in float16, norms in float32, ``about`` as JSON in the header."""
    from safetensors.torch import save

    tensors = {
        name: (value.half() if value.ndim > 1 else value).contiguous() for name, value in network.state_dict().items()
    }
    write_bytes_atomic(path, save(tensors, metadata={"format": "pt", "judge": json.dumps(about, allow_nan=False)}))


def load_judge(path: str | Path) -> Judge:
    """A judge from a file of ``save_judge``. InputError: no such file, or another kind of file."""
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a judge, such as benchmarks/judge-cifar10.safetensors")
    try:
        with safe_open(path, "pt") as file:
            said = json.loads((file.metadata() or {}).get("judge", "{}"))
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118  (it is no dictionary)
        about = {key: said[key] for key in ABOUT}
        network = Network(len(about["classes"]), about["widths"])
        network.load_state_dict(tensors)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError, OSError):
        raise InputError(f"{path}: not a judge; expected a file that benchmarks/quality/train_judge.py wrote") from None
    network.eval().requires_grad_(False)
    return Judge(network, tuple(about["classes"]), about, path.name, sha256_of(path))

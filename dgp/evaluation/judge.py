"""The judge: a small classifier that measures whether an answer is recognised as the original's class.

PSNR favours blurred averages, and a picture of something else can have a high PSNR. The judge is trained on real
pictures only. It is not a measure of quality by itself: at 32 pixels it also misclassifies originals.
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
from dgp.files import parse_json, sha256_of, write_bytes_atomic
from dgp.observation.images import to_rgb, to_tensor
from generators.safetensors_files import read_safetensors
from generators.text import format_parameter_count, pluralise

SIDE = 32
AT_ONCE = 100  # pictures that are classified together
ABOUT = ("classes", "widths", "data", "licence", "accuracy")


class Network(nn.Sequential):
    """A classifier: five 3x3 convolutions, two of them residual; (N, 3, 32, 32) in [-1, 1] -> logits (N, classes).

    The architecture follows Page's `cifar10-fast` (2018), with fewer channels.

    Args:
        classes: number of classes.
        widths: channels at 32, 16 and 8 pixels.
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
    """A convolution whose result is added to its input."""

    def __init__(self, channels: int):
        super().__init__(*_convolution(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


def _convolution(inputs: int, outputs: int, *pool: nn.Module) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), *pool, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)


@dataclass(frozen=True)
class Judge:
    """A trained classifier.

    Attributes:
        network: the network.
        classes: names of the classes, in the order of the logits.
        about: the entries `ABOUT` of the file: data, licence, accuracy, and so on.
        name: name of the file.
        sha256: sha256 of the file.
    """

    network: Network
    classes: tuple[str, ...]
    about: dict
    name: str
    sha256: str

    def class_of(self, folder: str) -> int:
        """Return the number of the class of a folder's name. Raises InputError for an unknown class."""
        if folder not in self.classes:
            raise InputError(
                f"got pictures in the folder {folder!r}, but the judge knows {', '.join(self.classes)}; "
                "leave --judge out, or give one that was trained on these classes"
            )
        return self.classes.index(folder)

    @torch.inference_mode()
    def probabilities(self, x: Tensor) -> Tensor:
        """Return the probabilities of the classes: (N, 3, 32, 32) in [-1, 1] -> (N, classes)."""
        return torch.cat([self.network(chunk).softmax(1) for chunk in x.split(AT_ONCE)])

    def verdicts(self, pictures: Iterable[tuple[Image.Image, str]]) -> list[dict[str, float]]:
        """Classify pictures, given the classes that they should show.

        Args:
            pictures: pairs of a picture and the name of its class.

        Returns:
            For each picture "recognised" (1 if its class is the likeliest one, else 0) and "true_class" (the
            probability of its class).
        """
        x, classes = [], []
        for picture, folder in pictures:
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
        classes = pluralise(len(self.classes), "class", "classes")
        return f"Judge {self.name}: {classes}, {format_parameter_count(self.network)}"


def to_judge_input(picture: Image.Image) -> Tensor:
    """Return a picture as input of the network, (1, 3, 32, 32) in [-1, 1], resized by area means or bilinearly."""
    x = to_tensor(to_rgb(picture))
    if min(x.shape[-2:]) >= SIDE:
        return F.interpolate(x, (SIDE, SIDE), mode="area")
    return F.interpolate(x, (SIDE, SIDE), mode="bilinear", align_corners=False)


def save_judge(path: str | Path, network: Network, about: dict) -> None:
    """Write a judge as safetensors.

    Convolutions and the last layer are stored in float16, norms in float32, and ``about`` as JSON in the header.
    """
    from safetensors.torch import save

    tensors = {
        name: (value.half() if value.ndim > 1 else value).contiguous() for name, value in network.state_dict().items()
    }
    write_bytes_atomic(path, save(tensors, metadata={"format": "pt", "judge": json.dumps(about, allow_nan=False)}))


def load_judge(path: str | Path) -> Judge:
    """Read a judge from a file written by ``save_judge``.

    Raises:
        InputError: the file does not exist, or is not a judge.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a judge, such as benchmarks/judge-cifar10.safetensors")
    try:
        tensors, metadata = read_safetensors(path)
        header = parse_json(metadata.get("judge", "{}"))
        about = {key: header[key] for key in ABOUT}
        with torch.device("meta"):  # the header must not make us allocate more than the file holds
            network = Network(len(about["classes"]), about["widths"])
        network.load_state_dict({name: value.float() for name, value in tensors.items()}, assign=True)
    except (ValueError, KeyError, TypeError, RuntimeError, OSError):
        raise InputError(f"{path}: not a judge; expected a file that benchmarks/quality/train_judge.py wrote") from None
    network.eval().requires_grad_(False)
    return Judge(network, tuple(about["classes"]), about, name=path.name, sha256=sha256_of(path))

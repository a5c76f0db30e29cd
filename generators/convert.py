"""Write a prior as safetensors files, with all of its settings in their headers."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save
from torch import nn

from generators.checkpoints.companion_files import discriminator_stem
from generators.checkpoints.native import get_architecture_name
from generators.errors import ConversionError
from generators.prior import Prior

ABOUT = ("data", "licence", "origin", "limits")


def convert(prior: Prior, path: str | os.PathLike, *, overwrite: bool = False) -> list[Path]:
    """Write a prior as safetensors files: x.safetensors for the generator, x-D.safetensors for the discriminator.

    ``generators.load(path)`` gives an equal prior: the same tensors and settings, so the same pictures bit for bit.
    The header holds, under "dgp", JSON with architecture, config, classes, assumed, data, licence, origin, limits,
    card, and source_sha256 (of the file that the prior came from). Both files are complete before either appears.

    Args:
        prior: what to write.
        path: of the generator's file, ending with .safetensors.
        overwrite: whether existing files are replaced.

    Returns:
        The paths written.

    Raises:
        ConversionError: another suffix, an existing file, a folder that cannot be written to, or a network whose
            architecture has no name (``generators.wrap``).
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ConversionError(f"{path}: got {path.suffix or 'no suffix'}, expected a name that ends with .safetensors")
    networks: dict[Path, tuple[nn.Module, dict]] = {path: (prior.generator, _generator_header(prior))}
    if prior.discriminator is not None:
        networks[path.with_stem(discriminator_stem(path.stem))] = (prior.discriminator, _discriminator_header(prior))
    taken = [file for file in networks if file.exists()]
    if taken and not overwrite:
        raise ConversionError(f"{taken[0]} already exists; choose another name (-o), or overwrite it (--overwrite)")
    drafts = {file: file.with_name(f".{file.name[:64]}.{os.getpid()}.tmp") for file in networks}
    try:
        for file, (network, header) in networks.items():
            _write(drafts[file], network, header)
        for file, draft in drafts.items():
            os.replace(draft, file)
    except OSError as error:
        raise ConversionError(f"cannot write {path}: {error.strerror or error}; choose another folder") from error
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
    return list(networks)


def _generator_header(prior: Prior) -> dict:
    generator, card = prior.generator, prior.card
    return {
        "part": "generator",
        "architecture": get_architecture_name(generator),
        "config": asdict(generator.config),
        "classes": list(generator.info.classes),
        "assumed": list(prior.assumed),
        "source_sha256": prior.sha256,
        "card": card.text,
    } | {key: getattr(card, key) for key in ABOUT}


def _discriminator_header(prior: Prior) -> dict:
    discriminator = prior.discriminator
    return {
        "part": "discriminator",
        "architecture": get_architecture_name(discriminator),
        "config": asdict(discriminator.config),
        "source_sha256": prior.sha256,
    } | {key: getattr(prior.card, key) for key in ABOUT}


def _write(draft: Path, network: nn.Module, header: dict) -> None:
    tensors = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in network.state_dict().items()
    }
    with open(draft, "wb") as file:
        file.write(save(tensors, metadata={"format": "pt", "dgp": json.dumps(header, allow_nan=False)}))
        file.flush()
        os.fsync(file.fileno())

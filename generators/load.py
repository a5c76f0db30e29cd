"""Load a prior by name, or from a file or folder."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from generators.base import Discriminator
from generators.checkpoints.companion_files import find_config, find_discriminator, find_generator, find_mapping
from generators.checkpoints.layouts import has_discriminator, read_discriminator, read_generator
from generators.checkpoints.native import read_strings
from generators.checkpoints.reading.part import Part
from generators.checkpoints.reading.read import (
    GENERATORS,
    SUFFIXES,
    Checkpoint,
    join_digests,
    read_checkpoint,
    read_json,
)
from generators.errors import UnknownPrior, WeightsError
from generators.prior import ModelCard, Prior
from generators.progress import waiting
from generators.registry import make, names
from generators.statistics.latent_statistics import make_statistics

NAMELESS = re.compile(
    r"G(_ema)?(_.*)?|pytorch_model|synthesis|SynthesisNetwork"
)  # file names that do not identify the network
NO_DISCRIMINATOR = "no discriminator was found beside the generator"


def load(
    name_or_path: str | os.PathLike, *, sha256: str | None = None, discriminator: str | os.PathLike | None = None
) -> Prior:
    """Load a prior by registered name, from a generator's file, or from a folder that holds one.

    A name takes precedence over a folder of the same name; write ``./name`` for the folder. Nothing in a file is
    executed.

    Args:
        name_or_path: a name of ``names()``, a file of weights, or a folder.
        sha256: the expected digest of the generator's file.
        discriminator: its file. It replaces the discriminator that comes with the name or in the generator's file. If
            left out, the discriminator is looked for beside the generator, by the published file names.

    Raises:
        UnknownPrior: there is no such name, file or folder.
        WeightsError: a file cannot be used.
    """
    text, path = os.fspath(name_or_path), Path(name_or_path)
    if not text.strip():
        raise UnknownPrior("got an empty name; expected a file, a folder, or a name of `dgp priors list`")
    with waiting(f"loading {path.name}"):
        if text in names():
            return load_by_name(text, sha256, discriminator)
        name = None
        if os.path.isdir(path):
            folder, path = path, find_generator(path)
            name = folder.resolve().name if NAMELESS.fullmatch(path.stem) else None
        if not os.path.exists(path):  # also for a name that can be no file's
            if path.suffix in SUFFIXES or os.sep in text:
                raise UnknownPrior(
                    f"{text}: no such file or folder; expected weights ({', '.join(SUFFIXES)}) or a name"
                )
            return load_by_name(text, sha256, discriminator)
        return load_files(path, Path(discriminator) if discriminator else None, sha256=sha256, name=name)


def load_by_name(name: str, sha256: str | None, discriminator: str | os.PathLike | None) -> Prior:
    """Load a registered prior, optionally with another discriminator."""
    prior = make(name)
    if sha256 and sha256.lower() != prior.sha256:
        raise WeightsError(f"{name}: its sha256 is {prior.sha256}, expected {sha256}")
    if discriminator:
        checkpoint = open_checkpoint(Path(discriminator), None)
        discriminator_network, assumed = build_discriminator(checkpoint, prior.generator.info.resolution, name)
        prior = replace(prior, discriminator=discriminator_network, assumed=(*prior.assumed, *assumed))
    return prior


def load_files(
    path: Path,
    discriminator: Path | None,
    *,
    sha256: str | None = None,
    name: str | None = None,
    card: ModelCard | None = None,
) -> Prior:
    """Load a prior from files.

    Args:
        path: the generator's file.
        discriminator: its file; None looks in the generator's file, then beside it.
        sha256: the expected digest of the generator's file.
        name: of the prior; None for the file's name.
        card: None to build one from the file's metadata.
    """
    checkpoint = join_mapping(open_checkpoint(path, sha256))
    metadata = read_metadata(checkpoint)
    network, assumed = read_generator(checkpoint, metadata, tuple(read_strings(metadata, "classes", str(path))))
    discriminator_checkpoint = open_discriminator(checkpoint, discriminator)
    discriminator_network = None
    if discriminator_checkpoint:
        discriminator_network, more = build_discriminator(discriminator_checkpoint, network.info.resolution, path.name)
        assumed = (*assumed, *more)
    elif NO_DISCRIMINATOR not in assumed:
        assumed = (*assumed, NO_DISCRIMINATOR)
    about = {key: to_one_line(metadata.get(key, "unknown")) for key in ("data", "licence", "origin", "limits")}
    card = card or ModelCard(name or path.stem, **about, text=str(metadata.get("card", "")))
    statistics = make_statistics(network, checkpoint.sha256, beside=path.parent)
    return Prior(
        name or path.stem,
        network,
        discriminator_network,
        card,
        sha256=checkpoint.sha256,
        statistics=statistics,
        assumed=assumed,
    )


def to_one_line(value: object) -> str:
    """Return a text of a file's header without line breaks and without characters that control a terminal."""
    return "".join(c if c.isprintable() else " " for c in str(value))


def read_metadata(checkpoint: Checkpoint) -> dict:
    """Return the generator's metadata: what the file states, or the config.json beside it."""
    part = checkpoint.part(GENERATORS)
    config = find_config(checkpoint.path)
    return read_json(config) if config else part.metadata if part else {}


def join_mapping(checkpoint: Checkpoint) -> Checkpoint:
    """Join PULSE's synthesis network with the mapping network of the file beside it, as ``mapping.*``."""
    beside = find_mapping(checkpoint.path)
    part = checkpoint.parts.get("network")
    if part is not None and "graph" in part.metadata:
        return join_mapping_graph(checkpoint, part, beside)
    if beside is None or part is None:
        return checkpoint
    mapping = open_checkpoint(beside, None).parts.get("network")
    if mapping is None or not all(re.match(r"dense\d", name) for name in mapping.tensors):
        raise WeightsError(f"{beside}: no mapping network; expected the one that belongs to {checkpoint.path.name}")
    joined = part.tensors | {f"mapping.{name}": tensor for name, tensor in mapping.tensors.items()}
    return replace(checkpoint, parts={"network": Part(joined, part.metadata, part.class_name)})


def join_mapping_graph(checkpoint: Checkpoint, part: Part, beside: Path | None) -> Checkpoint:
    """Join MobileStyleGAN's synthesis network with the graph of its mapping network, in the file beside it."""
    mapping = None if beside is None else open_checkpoint(beside, None)
    found = None if mapping is None else mapping.part(("network",))
    if found is None or "graph" not in found.metadata:
        raise WeightsError(
            f"{checkpoint.path}: no mapping network beside it; expected SynthesisNetwork.xml and MappingNetwork.xml, "
            "each with its .bin file, in one folder"
        )
    metadata = part.metadata | {"mapping graph": found.metadata["graph"]}
    digest = join_digests(checkpoint.sha256, mapping.sha256)
    return replace(checkpoint, parts={"network": Part(part.tensors, metadata)}, sha256=digest)


def open_discriminator(checkpoint: Checkpoint, given: Path | None) -> Checkpoint | None:
    """Open the checkpoint of the discriminator: the given file, the generator's own, or one beside it."""
    if given is None and has_discriminator(checkpoint):
        return checkpoint
    given = given or find_discriminator(checkpoint.path)
    return open_checkpoint(given, None) if given else None


def build_discriminator(
    checkpoint: Checkpoint, resolution: int, generator: str
) -> tuple[Discriminator, tuple[str, ...]]:
    """Build the discriminator of a checkpoint.

    Args:
        checkpoint: of the discriminator.
        resolution: of the generator, which must be the same.
        generator: its name, for messages.

    Returns:
        (the discriminator, settings that were assumed).
    """
    network, assumed = read_discriminator(checkpoint, generator)
    if network.config.resolution != resolution:
        raise WeightsError(
            f"{checkpoint.path}: is for pictures of {network.config.resolution} px, but {generator} makes "
            f"{resolution} px; give the discriminator that belongs to it"
        )
    return network, assumed


def open_checkpoint(path: Path, sha256: str | None) -> Checkpoint:
    """Read a file of weights. Raises UnknownPrior where there is no file, WeightsError where it cannot be used."""
    if not os.path.exists(path):
        raise UnknownPrior(f"{path}: no such file; expected weights ({', '.join(SUFFIXES)})")
    if not path.is_file():
        raise WeightsError(f"{path}: is not a regular file; expected weights ({', '.join(SUFFIXES)})")
    return read_checkpoint(path, sha256)

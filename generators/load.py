"""From a name, a file or a folder to a Prior."""

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
from generators.checkpoints.reading.read import GENERATORS, SUFFIXES, Checkpoint, read_checkpoint, read_json
from generators.errors import UnknownPrior, WeightsError
from generators.prior import ModelCard, Prior
from generators.progress import waiting
from generators.registry import make, names
from generators.statistics.latent_statistics import make_statistics

NAMELESS = re.compile(r"G(_ema)?(_.*)?|pytorch_model|synthesis")  # files that say nothing of what they hold
NO_DISCRIMINATOR = "no discriminator was found beside the generator"


def load(
    name_or_path: str | os.PathLike, *, sha256: str | None = None, discriminator: str | os.PathLike | None = None
) -> Prior:
    """A prior by registered name, from a generator's file, or from a folder that holds one. A name goes before a folder
    that is called the same; ``./name`` is the folder.

    Args:
        sha256: what the generator's file must have.
        discriminator: its file, also in place of the one that a name or the generator's file brings; found beside the
            generator by the published names where it is not given.

    Raises UnknownPrior for what is not there, WeightsError for what cannot be used; nothing in a file is executed.
    """
    text, path = os.fspath(name_or_path), Path(name_or_path)
    if not text.strip():
        raise UnknownPrior("got an empty name; expected a file, a folder, or a name of `dgp priors list`")
    with waiting(f"loading {path.name}"):
        if text in names():
            return load_by_name(text, sha256, discriminator)
        name = None
        if path.is_dir():
            folder, path = path, find_generator(path)
            name = folder.resolve().name if NAMELESS.fullmatch(path.stem) else None
        if not path.exists():
            if path.suffix in SUFFIXES or os.sep in text:
                raise UnknownPrior(
                    f"{text}: no such file or folder; expected weights ({', '.join(SUFFIXES)}) or a name"
                )
            return load_by_name(text, sha256, discriminator)
        return load_files(path, Path(discriminator) if discriminator else None, sha256=sha256, name=name)


def load_by_name(name: str, sha256: str | None, discriminator: str | os.PathLike | None) -> Prior:
    prior = make(name)
    if sha256 and sha256.lower() != prior.sha256:
        raise WeightsError(f"{name}: its sha256 is {prior.sha256}, expected {sha256}")
    if discriminator:
        checkpoint = open_checkpoint(Path(discriminator), None)
        judge, assumed = build_discriminator(checkpoint, prior.generator.info.resolution, name)
        prior = replace(prior, discriminator=judge, assumed=(*prior.assumed, *assumed))
    return prior


def load_files(
    path: Path,
    discriminator: Path | None,
    *,
    sha256: str | None = None,
    name: str | None = None,
    card: ModelCard | None = None,
) -> Prior:
    """discriminator: its file; left out, the one in the generator's file, or beside it."""
    checkpoint = join_mapping(open_checkpoint(path, sha256))
    metadata = read_metadata(checkpoint)
    network, assumed = read_generator(checkpoint, metadata, tuple(read_strings(metadata, "classes", str(path))))
    discriminator_checkpoint = open_discriminator(checkpoint, discriminator)
    judge = None
    if discriminator_checkpoint:
        judge, more = build_discriminator(discriminator_checkpoint, network.info.resolution, path.name)
        assumed = (*assumed, *more)
    elif NO_DISCRIMINATOR not in assumed:
        assumed = (*assumed, NO_DISCRIMINATOR)
    about = {key: to_one_line(metadata.get(key, "unknown")) for key in ("data", "licence", "origin", "limits")}
    card = card or ModelCard(name or path.stem, **about, text=str(metadata.get("card", "")))
    statistics = make_statistics(network, checkpoint.sha256, beside=path.parent)
    return Prior(name or path.stem, network, judge, card, checkpoint.sha256, statistics, assumed)


def to_one_line(value: object) -> str:
    """What a header says, for people to read: no line breaks, nothing that steers a terminal."""
    return "".join(c if c.isprintable() else " " for c in str(value))


def read_metadata(checkpoint: Checkpoint) -> dict:
    """What the file states of its generator, or the config.json beside it."""
    part = checkpoint.part(GENERATORS)
    config = find_config(checkpoint.path)
    return read_json(config) if config else part.metadata if part else {}


def join_mapping(checkpoint: Checkpoint) -> Checkpoint:
    """PULSE's synthesis network together with the mapping network of the file beside it, as ``mapping.*``."""
    beside = find_mapping(checkpoint.path)
    part = checkpoint.parts.get("network")
    if beside is None or part is None:
        return checkpoint
    mapping = open_checkpoint(beside, None).parts.get("network")
    if mapping is None or not all(re.match(r"dense\d", name) for name in mapping.tensors):
        raise WeightsError(f"{beside}: no mapping network; expected the one that belongs to {checkpoint.path.name}")
    joined = part.tensors | {f"mapping.{name}": tensor for name, tensor in mapping.tensors.items()}
    return replace(checkpoint, parts={"network": Part(joined, part.metadata, part.class_name)})


def open_discriminator(checkpoint: Checkpoint, given: Path | None) -> Checkpoint | None:
    """The file that the discriminator is read from: the given one, the generator's own, one beside it."""
    if given is None and has_discriminator(checkpoint):
        return checkpoint
    given = given or find_discriminator(checkpoint.path)
    return open_checkpoint(given, None) if given else None


def build_discriminator(
    checkpoint: Checkpoint, resolution: int, generator: str
) -> tuple[Discriminator, tuple[str, ...]]:
    """(the discriminator, what was assumed of it). resolution: of the generator, whose name goes into messages."""
    judge, assumed = read_discriminator(checkpoint, generator)
    if judge.config.resolution != resolution:
        raise WeightsError(
            f"{checkpoint.path}: reads {judge.config.resolution} px, but {generator} makes {resolution} px; "
            "give the discriminator that belongs to it"
        )
    return judge, assumed


def open_checkpoint(path: Path, sha256: str | None) -> Checkpoint:
    if not path.exists():
        raise UnknownPrior(f"{path}: no such file; expected weights ({', '.join(SUFFIXES)})")
    if not path.is_file():
        raise WeightsError(f"{path}: is not a regular file; expected weights ({', '.join(SUFFIXES)})")
    return read_checkpoint(path, sha256)

"""From a name, a file or a folder to a Prior."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from generators.base import Discriminator
from generators.checkpoints.beside import config_beside, discriminator_beside, generator_in, mapping_beside
from generators.checkpoints.layouts import has_discriminator, read_discriminator, read_generator
from generators.checkpoints.own import texts
from generators.checkpoints.reading.part import Part
from generators.checkpoints.reading.read import GENERATORS, SUFFIXES, Checkpoint, read_checkpoint, read_json
from generators.errors import UnknownPrior, WeightsError
from generators.prior import ModelCard, Prior
from generators.progress import waiting
from generators.registry import make, names
from generators.statistics.latent_statistics import statistics_of

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
            return named(text, sha256, discriminator)
        name = None
        if path.is_dir():
            folder, path = path, generator_in(path)
            name = folder.resolve().name if NAMELESS.fullmatch(path.stem) else None
        if not path.exists():
            if path.suffix in SUFFIXES or os.sep in text:
                raise UnknownPrior(
                    f"{text}: no such file or folder; expected weights ({', '.join(SUFFIXES)}) or a name"
                )
            return named(text, sha256, discriminator)
        return from_files(path, Path(discriminator) if discriminator else None, sha256=sha256, name=name)


def named(name: str, sha256: str | None, discriminator: str | os.PathLike | None) -> Prior:
    prior = make(name)
    if sha256 and sha256.lower() != prior.sha256:
        raise WeightsError(f"{name}: its sha256 is {prior.sha256}, expected {sha256}")
    if discriminator:
        checkpoint = checked(Path(discriminator), None)
        judge, assumed = judge_from(checkpoint, prior.generator.info.resolution, name)
        prior = replace(prior, discriminator=judge, assumed=(*prior.assumed, *assumed))
    return prior


def from_files(
    path: Path,
    discriminator: Path | None,
    *,
    sha256: str | None = None,
    name: str | None = None,
    card: ModelCard | None = None,
) -> Prior:
    """discriminator: its file; left out, the one in the generator's file, or beside it."""
    checkpoint = with_mapping(checked(path, sha256))
    said = said_of(checkpoint)
    network, assumed = read_generator(checkpoint, said, tuple(texts(said, "classes", str(path))))
    judges = judge_of(checkpoint, discriminator)
    judge = None
    if judges:
        judge, more = judge_from(judges, network.info.resolution, path.name)
        assumed = (*assumed, *more)
    elif NO_DISCRIMINATOR not in assumed:
        assumed = (*assumed, NO_DISCRIMINATOR)
    about = {key: one_line(said.get(key, "unknown")) for key in ("data", "licence", "origin", "limits")}
    card = card or ModelCard(name or path.stem, **about, text=str(said.get("card", "")))
    statistics = statistics_of(network, checkpoint.sha256, beside=path.parent)
    return Prior(name or path.stem, network, judge, card, checkpoint.sha256, statistics, assumed)


def one_line(value: object) -> str:
    """What a header says, for people to read: no line breaks, nothing that steers a terminal."""
    return "".join(c if c.isprintable() else " " for c in str(value))


def said_of(checkpoint: Checkpoint) -> dict:
    """What the file states of its generator, or the config.json beside it."""
    part = checkpoint.part(GENERATORS)
    config = config_beside(checkpoint.path)
    return read_json(config) if config else part.said if part else {}


def with_mapping(checkpoint: Checkpoint) -> Checkpoint:
    """PULSE's synthesis network together with the mapping network of the file beside it, as ``mapping.*``."""
    beside = mapping_beside(checkpoint.path)
    part = checkpoint.parts.get("network")
    if beside is None or part is None:
        return checkpoint
    mapping = checked(beside, None).parts.get("network")
    if mapping is None or not all(re.match(r"dense\d", name) for name in mapping.tensors):
        raise WeightsError(f"{beside}: no mapping network; expected the one that belongs to {checkpoint.path.name}")
    joined = part.tensors | {f"mapping.{name}": tensor for name, tensor in mapping.tensors.items()}
    return replace(checkpoint, parts={"network": Part(joined, part.said, part.class_name)})


def judge_of(checkpoint: Checkpoint, given: Path | None) -> Checkpoint | None:
    """The file that the discriminator is read from: the given one, the generator's own, one beside it."""
    if given is None and has_discriminator(checkpoint):
        return checkpoint
    given = given or discriminator_beside(checkpoint.path)
    return checked(given, None) if given else None


def judge_from(checkpoint: Checkpoint, resolution: int, generator: str) -> tuple[Discriminator, tuple[str, ...]]:
    """(the discriminator, what was assumed of it). resolution: of the generator, whose name goes into messages."""
    judge, assumed = read_discriminator(checkpoint, generator)
    if judge.config.resolution != resolution:
        raise WeightsError(
            f"{checkpoint.path}: reads {judge.config.resolution} px, but {generator} makes {resolution} px; "
            "give the discriminator that belongs to it"
        )
    return judge, assumed


def checked(path: Path, sha256: str | None) -> Checkpoint:
    if not path.exists():
        raise UnknownPrior(f"{path}: no such file; expected weights ({', '.join(SUFFIXES)})")
    if not path.is_file():
        raise WeightsError(f"{path}: is not a regular file; expected weights ({', '.join(SUFFIXES)})")
    return read_checkpoint(path, sha256)

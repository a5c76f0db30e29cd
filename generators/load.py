"""From a name, a file or a folder to a Prior."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from generators.biggan import BigGANDiscriminator
from generators.checkpoints.biggan import (
    ORIGINS,
    is_discriminator,
    is_generator,
    read_discriminator,
    read_generator,
)
from generators.checkpoints.read import SUFFIXES, Checkpoint, header, read_checkpoint
from generators.errors import UnknownPrior, WeightsError
from generators.prior import ModelCard, Prior
from generators.registry import make, names


def load(
    name_or_path: str | os.PathLike, *, sha256: str | None = None, discriminator: str | os.PathLike | None = None
) -> Prior:
    """A prior by registered name, from a generator's file, or from a folder that holds one. A name goes before a folder
    that is called the same; ``./name`` is the folder.

    Args:
        sha256: what the generator's file must have.
        discriminator: its file, also in place of the one that a name brings; found beside the generator by the
            published names where it is not given.

    Raises UnknownPrior for what is not there, WeightsError for what cannot be used; nothing in a file is executed.
    """
    text, path = os.fspath(name_or_path), Path(name_or_path)
    if text in names():
        return named(text, sha256, discriminator)
    if path.is_dir():
        path = generator_in(path)
    if not path.is_file():
        if path.suffix in SUFFIXES or os.sep in text:
            raise UnknownPrior(f"{text}: no such file or folder; expected weights ({', '.join(SUFFIXES)}) or a name")
        return named(text, sha256, discriminator)
    return from_files(path, Path(discriminator) if discriminator else discriminator_beside(path), sha256=sha256)


def named(name: str, sha256: str | None, discriminator: str | os.PathLike | None) -> Prior:
    prior = make(name)
    if sha256 and sha256.lower() != prior.sha256:
        raise WeightsError(f"{name}: its sha256 is {prior.sha256}, expected {sha256}")
    if discriminator:
        judge, assumed = judge_from(Path(discriminator), prior.generator.info.resolution, name)
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
    checkpoint = checked(path, sha256)
    said = header(checkpoint.metadata)
    if not is_generator(checkpoint.tensors):
        what = "a discriminator" if is_discriminator(checkpoint.tensors) else "an unknown layout"
        shown = ", ".join(sorted(checkpoint.tensors)[:3])
        raise WeightsError(
            f"{path}: got {what} (tensors {shown}, ...), expected a BigGAN generator in the ajbrock layout"
        )
    network, assumed = read_generator(checkpoint.tensors, said, str(path), class_names(said, path))
    judge = None
    if discriminator:
        judge, more = judge_from(discriminator, network.config.resolution, path.name)
        assumed = (*assumed, *more)
    else:
        assumed = (*assumed, "no discriminator was found beside the generator")
    about = {key: str(said.get(key, "unknown")) for key in ("data", "licence", "origin", "limits")}
    card = card or ModelCard(name or path.stem, **about)
    return Prior(name or path.stem, network, judge, card, checkpoint.sha256, assumed=assumed)


def judge_from(path: Path, resolution: int, generator: str) -> tuple[BigGANDiscriminator, tuple[str, ...]]:
    """(the discriminator, what was assumed of it). resolution: of the generator, whose name goes into messages."""
    checkpoint = checked(path, None)
    if not is_discriminator(checkpoint.tensors):
        raise WeightsError(f"{path}: no BigGAN discriminator; expected the D file that belongs to {generator}")
    said = header(checkpoint.metadata)
    judge = read_discriminator(checkpoint.tensors, said, str(path))
    if judge.config.resolution != resolution:
        raise WeightsError(
            f"{path}: reads {judge.config.resolution} px, but {generator} makes {resolution} px; "
            "give the discriminator that belongs to it"
        )
    return judge, () if "SN_eps" in said else (f"of the discriminator: SN_eps {ORIGINS['ajbrock'].sn_eps:g}",)


def class_names(said: dict, path: Path) -> tuple[str, ...]:
    """As the header of our own files lists them; none where it is silent."""
    classes = said.get("classes", [])
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise WeightsError(f"{path}: its header's classes are no list of names; write the file again")
    return tuple(classes)


def checked(path: Path, sha256: str | None) -> Checkpoint:
    if not path.is_file():
        raise UnknownPrior(f"{path}: no such file; expected weights ({', '.join(SUFFIXES)})")
    return read_checkpoint(path, sha256)


# In the order of preference: DGP's names, ours, ajbrock's without averaging. Optimisers (G_optim) are no generators.
GENERATORS = (r"G_ema.*", r".*[-_]G_ema", r"G(?!_optim)(_.*)?", r".*-G")


def generator_in(folder: Path) -> Path:
    """The averaged generator of a folder, else the plain one. Raises when there is none, or several."""
    files = sorted(f for f in folder.iterdir() if f.suffix in SUFFIXES)
    for pattern in GENERATORS:
        found = [f for f in files if re.fullmatch(pattern, f.stem)]
        if len({f.stem for f in found}) > 1:
            shown = ", ".join(f.name for f in found)
            raise UnknownPrior(f"{folder} holds several generators ({shown}); name one of them")
        if found:
            return found[0]
    raise UnknownPrior(f"{folder}: no generator in it; expected G_ema*.pth or G*.pth, or their .safetensors")


def discriminator_beside(path: Path) -> Path | None:
    """By the published names: G_ema_128 -> D_128, x-G_ema -> x-D, G -> D; of the same kind of file if there are two."""
    stem = re.sub(r"(?<![A-Za-z])G(_ema)?(?![A-Za-z])", "D", path.stem, count=1)
    if stem == path.stem:
        return None
    twins = [path.with_name(stem + suffix) for suffix in (path.suffix, *SUFFIXES)]
    return next((twin for twin in twins if twin.is_file()), None)

"""From a name, a file or a folder to a Prior."""

from __future__ import annotations

import os
from pathlib import Path

from generators.checkpoints.biggan import is_discriminator, is_generator, read_discriminator, read_generator
from generators.checkpoints.read import SUFFIXES, Checkpoint, header, read_checkpoint
from generators.errors import UnknownPrior, WeightsError
from generators.prior import ModelCard, Prior
from generators.registry import make


def load(name_or_path: str | os.PathLike, *, sha256: str | None = None,
         discriminator: str | os.PathLike | None = None) -> Prior:
    """A prior by registered name, from a generator's file, or from a folder that holds one.

    Args:
        sha256: what the generator's file must have.
        discriminator: its file; found beside the generator by the published names where it is not given.

    Raises UnknownPrior for what is not there, WeightsError for what cannot be used; nothing in a file is executed.
    """
    text, path = os.fspath(name_or_path), Path(name_or_path)
    if path.is_dir():
        path = generator_in(path)
    if not path.is_file():
        if path.suffix in SUFFIXES or os.sep in text:
            raise UnknownPrior(f"{text}: no such file or folder; expected weights ({', '.join(SUFFIXES)}) or a name")
        prior = make(text)
        if sha256 and sha256 != prior.sha256:
            raise WeightsError(f"{text}: its sha256 is {prior.sha256}, expected {sha256}")
        return prior
    return from_files(path, Path(discriminator) if discriminator else discriminator_beside(path), sha256=sha256)


def from_files(path: Path, discriminator: Path | None, *, sha256: str | None = None, name: str | None = None,
               card: ModelCard | None = None) -> Prior:
    checkpoint = checked(path, sha256)
    said = header(checkpoint.metadata)
    if not is_generator(checkpoint.tensors):
        what = "a discriminator" if is_discriminator(checkpoint.tensors) else "an unknown layout"
        shown = ", ".join(sorted(checkpoint.tensors)[:3])
        raise WeightsError(f"{path}: got {what} (tensors {shown}, ...), expected a BigGAN generator in the ajbrock layout")
    network, assumed = read_generator(checkpoint.tensors, said, str(path), tuple(said.get("classes", ())))
    judge = None
    if discriminator:
        other = checked(discriminator, None)
        if not is_discriminator(other.tensors):
            raise WeightsError(f"{discriminator}: no BigGAN discriminator; expected the D file that belongs to {path.name}")
        judge = read_discriminator(other.tensors, header(other.metadata), str(discriminator))
        if judge.config.resolution != network.config.resolution:
            raise WeightsError(f"{discriminator}: reads {judge.config.resolution} px, but {path.name} makes "
                               f"{network.config.resolution} px; give the discriminator that belongs to it")
    else:
        assumed = (*assumed, "no discriminator was found beside the generator")
    card = card or ModelCard(name=name or path.stem, data=said.get("data", "unknown"), limits=said.get("limits", "unknown"),
                             licence=said.get("licence", "unknown"), origin=said.get("origin", "unknown"))
    return Prior(name or path.stem, network, judge, card, checkpoint.sha256, assumed=assumed)


def checked(path: Path, sha256: str | None) -> Checkpoint:
    if not path.is_file():
        raise UnknownPrior(f"{path}: no such file; expected weights ({', '.join(SUFFIXES)})")
    checkpoint = read_checkpoint(path)
    if sha256 and sha256.lower() != checkpoint.sha256:
        raise WeightsError(f"{path}: its sha256 is {checkpoint.sha256}, expected {sha256}; get the file again")
    return checkpoint


def generator_in(folder: Path) -> Path:
    """The averaged generator of a folder, else the plain one. Raises when there is none, or several."""
    files = sorted(f for f in folder.iterdir() if f.suffix in SUFFIXES)
    for wanted in (lambda f: "G_ema" in f.stem, lambda f: f.stem == "G" or f.stem.startswith("G_") or f.stem.endswith("-G")):
        found = [f for f in files if wanted(f)]
        if len({f.stem for f in found}) > 1:
            raise UnknownPrior(f"{folder} holds several generators ({', '.join(f.name for f in found)}); name one of them")
        if found:
            return found[0]
    raise UnknownPrior(f"{folder}: no generator in it; expected G_ema*.pth or G*.pth, or their .safetensors")


def discriminator_beside(path: Path) -> Path | None:
    """By the published names: G_ema_128 -> D_128, x-G_ema -> x-D, G -> D."""
    stem = path.stem
    for mark in ("G_ema", "G"):
        if mark in stem:
            twin = path.with_name(stem.replace(mark, "D", 1) + path.suffix)
            if twin.is_file():
                return twin
    return None

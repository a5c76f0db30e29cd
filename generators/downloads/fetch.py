"""The files of published weights: got, recorded, checked; and priors by the names of those that are there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from generators.caching.cache_folder import write_atomic
from generators.downloads.download import download
from generators.errors import UnknownPrior, WeightsError
from generators.load import load
from generators.model_zoo import OPTIONAL, PUBLIC, PublicWeights
from generators.prior import Prior
from generators.registry import register_finder


@dataclass(frozen=True)
class LocalFile:
    """A file that is there. new: whether it came just now; recorded: whether its sha256 was written down just now."""

    path: Path
    sha256: str
    new: bool = False
    recorded: bool = False


def list_missing(entry: PublicWeights, folder: Path | None = None) -> list[str]:
    """Names of the files that are not there, those that a prior can do without left aside."""
    directory = folder or entry.directory()
    return [file.name for file in entry.files if file.name not in OPTIONAL and not (directory / file.name).is_file()]


def fetch(
    entry: PublicWeights,
    folder: Path | None = None,
    *,
    sha256: str | None = None,
    progress: Callable[[str, int, int | None], None] = lambda name, done, total: None,
) -> list[LocalFile]:
    """Gets what is missing of an entry, and checks all of it.

    Args:
        folder: where to, in place of the entry's own.  sha256: what its generator's file (its only one) must have.
        progress: called with a file's name, the bytes that are there and those in all.

    Raises FetchError, or WeightsError for a file that is not the one of the first time, or not the one of ``sha256``;
    UnknownPrior, with what to do, for weights that only people can get.
    """
    if entry.by_hand and (lacking := list_missing(entry, folder)):
        directory = folder or entry.directory()
        raise UnknownPrior(
            f"{entry.name}: {', '.join(lacking)} cannot be fetched by a program; put it into {directory}"
        )
    kept = []
    for file in entry.files:
        path = (folder or entry.directory()) / file.name
        pin = sha256 if file.name == (entry.generator or entry.files[0].name) else None
        if path.is_file():
            kept.append(check(path, pin, file.sha256_prefix))
        elif not entry.by_hand:
            known = pin or read_recorded_sha256(path) or file.sha256_prefix
            found = download(file.address, path, sha256=known, progress=partial(progress, file.name))
            _record(path, found)
            kept.append(LocalFile(path, found, new=True, recorded=True))
    return kept


def verify(entry: PublicWeights, sha256: str | None = None) -> list[LocalFile]:
    """Checks the files of an entry against what was recorded when they came; records those that came by hand.

    Raises WeightsError for files that are missing or have changed.
    """
    if lacking := list_missing(entry):
        raise WeightsError(
            f"{entry.name}: {', '.join(lacking)} not in {entry.directory()}; `dgp priors fetch {entry.name}` gets it, or "
            "says where to get it"
        )
    main = entry.generator or entry.files[0].name
    return [
        check(entry.directory() / file.name, sha256 if file.name == main else None, file.sha256_prefix)
        for file in entry.files
        if (entry.directory() / file.name).is_file()
    ]


def check(path: Path, sha256: str | None = None, sha256_prefix: str = "") -> LocalFile:
    """The sha256 of a file, recorded beside it (``path.sha256``, as sha256sum writes it) where it was not yet.

    Raises WeightsError when it is not ``sha256``; where that is not given, when it is not what was recorded, or does
    not begin as the publisher says.
    """
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    known = read_recorded_sha256(path)
    if not found.startswith(sha256.lower() if sha256 else known or sha256_prefix):
        expected = (
            sha256
            or f"{known or sha256_prefix}{'' if known else '...'}, {'as at the first download' if known else 'as published'}"
        )
        raise WeightsError(f"{path}: its sha256 is {found}, expected {expected}; remove the file and get it again")
    if known != found:
        _record(path, found)
    return LocalFile(path, found, recorded=known != found)


def read_recorded_sha256(path: Path) -> str | None:
    """The sha256 that a file had at first, where one was written down."""
    beside = path.with_name(path.name + ".sha256")
    return beside.read_text().split()[0] if beside.is_file() and beside.read_text().split() else None


def _record(path: Path, sha256: str) -> None:
    write_atomic(path.with_name(path.name + ".sha256"), f"{sha256}  {path.name}\n".encode())


@register_finder
def find_fetched() -> dict[str, Callable[[], Prior]]:
    """The published priors whose files are there, by name."""
    return {
        entry.name: partial(_load, entry) for entry in PUBLIC.values() if entry.generator and not list_missing(entry)
    }


def _load(entry: PublicWeights) -> Prior:
    directory = entry.directory()
    path = directory / entry.generator
    prior = load(
        path,
        sha256=read_recorded_sha256(path),
        discriminator=directory / entry.discriminator if entry.discriminator else None,
    )
    card = replace(prior.card, name=entry.name, licence=f"{entry.licence.text} ({entry.licence.address})")
    known = {"data": entry.about, "origin": entry.files[0].address}
    card = replace(card, **{key: said for key, said in known.items() if getattr(card, key) == "unknown"})
    return replace(prior, name=entry.name, card=card)

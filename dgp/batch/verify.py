"""The hashes of a batch again: files of results, pictures, weights, recipe and plugins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dgp.batch.batch_files import Batch
from dgp.batch.report import read_state
from dgp.batch.unit import Unit
from dgp.files import sha256_of
from dgp.runs.unit import hash_discriminator


def verify_results(batch: Batch) -> Iterator[tuple[Unit, list[str]]]:
    """Yield each unit that has a result, with what is no longer as it was when the result was made."""
    for unit in batch.units:
        state = read_state(batch.output, unit)
        if state.result is not None:
            yield unit, _find_changes(batch, unit, state.result)


def verify_method(batch: Batch) -> list[str]:
    """Return how the weights and plugins differ now from those of the batch; no plugin is executed.

    The weights of a prior that a plugin registers are not looked at.
    """
    import generators

    settings, method, found = batch.settings, batch.method, []
    for path, sha256 in zip(settings.plugins, method.plugins, strict=True):
        found += _check(Path(path), sha256, "is not the plugin that the batch ran")
    try:
        prior = generators.load(settings.prior)
    except generators.UnknownPrior:
        return found if settings.plugins else [*found, f"{settings.prior}: the weights are gone"]
    discriminator = hash_discriminator(prior)
    if (prior.sha256, discriminator) != (method.generator, method.discriminator):
        found.append(f"{settings.prior}: the weights are not those of the batch")
    return found


def _find_changes(batch: Batch, unit: Unit, result: dict) -> list[str]:
    folder, found = batch.output / unit.folder, []
    files = result.get("files")
    if not isinstance(files, dict):
        found.append(f"{folder}/result.json: lists no files")
    else:
        for name, sha256 in files.items():
            found += _check(folder / name, sha256, "is not the file that the run wrote")
    picture = Path(batch.cwd) / unit.picture
    found += _check(picture, result.get("input", {}).get("sha256"), "is not the picture that was restored")
    if result.get("prior", {}).get("sha256") != batch.method.generator:
        found.append(f"{folder}/result.json: was made with other weights than those of the batch")
    return found


def _check(path: Path, sha256: str | None, changed: str) -> list[str]:
    try:
        same = sha256_of(path) == sha256
    except OSError as error:
        return [f"{path}: cannot be read: {error.strerror or error}"]
    return [] if same else [f"{path}: {changed}"]

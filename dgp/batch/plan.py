"""The batch that a call asks for: its pictures, and what can be checked before the first of them is opened."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from dgp.batch.batch_files import Batch, compare
from dgp.batch.inputs import find_sources, number_units, read_list
from dgp.batch.manifest import read_manifest
from dgp.batch.unit import Source, Unit
from dgp.errors import DgpError, InputError
from dgp.runs.runner import Runner
from dgp.runs.settings import RunSettings


def find_units(
    inputs: Sequence[str], lists: Sequence[str], manifests: Sequence[str], settings: RunSettings, output: Path
) -> tuple[Unit, ...]:
    """Return the units of pictures, folders and patterns, of lists of paths, and of manifests, in this order.

    Raises:
        InputError: a picture is missing, has no degradation, or a line of a manifest is wrong.
    """
    sources: list[Source] = find_sources(inputs, output) if inputs else []
    sources += [source for path in lists for source in read_list(path)]
    if sources and settings.degradation is None:
        raise InputError(f"{sources[0].where}: no degradation; give it with -d")
    sources += [source for path in manifests for source in read_manifest(path, settings.degradation)]
    if not sources:
        raise InputError("got no pictures; name pictures, folders, patterns in quotes, a list or a manifest")
    return tuple(number_units(sources))


def plan_batch(units: Iterable[Unit], runner: Runner, inputs: Sequence[str], output: Path) -> Batch:
    """Return the batch of units, after checking their degradations and classes.

    Args:
        units: the units.
        runner: the runner of the settings that they have in common.
        inputs: what was asked for.
        output: the folder of the results.

    Raises:
        InputError: a unit asks for a degradation or a class that cannot be used.
    """
    import degradations

    units = tuple(units)
    checked = set()
    for unit in units:
        spec, label = unit.own.get("degradation"), unit.own.get("label", "auto")
        try:
            if spec not in (None, "auto") and spec not in checked:
                degradations.parse(spec)
            if label != "auto" and label not in checked:
                runner.prior.generator.info.class_index(label)
        except Exception as error:
            raise InputError(f"unit {unit.number}, {unit.picture}: {error}") from error
        checked |= {spec, label}
    return Batch(Path(output).absolute(), os.getcwd(), tuple(inputs), runner.settings, runner.method, units)


def expect_same_method(batch: Batch, runner: Runner) -> None:
    """Check that prior, recipe, plugins and code are those of a batch.

    Raises:
        DgpError: they are not; the message names the differences.
    """
    if found := compare(batch.method.record(), runner.method.record()):
        raise DgpError(
            f"{batch.output} was begun by another method ({'; '.join(found)}); bring it back, or give the command of "
            "the batch again with --overwrite"
        )

"""Which run a checkpoint belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dgp.checkpoint.folder import CURRENT, CheckpointFolder
from dgp.errors import CheckpointError
from dgp.output.run_folder import differences, look_up, shorten_value, versions


def checkpoint_identity(pictures: Sequence[Mapping], device: str, method: Mapping | None = None) -> dict:
    """Return the identity of a run as a checkpoint holds it.

    Args:
        pictures: the `run_identity` of each picture.
        device: the torch device.
        method: hashes of what else the call uses, such as plugins, by name; None: not known.
    """
    import torch

    used = {name: value for name, value in versions().items() if name in ("dgp", "torch")}
    known = {} if method is None else {"method": dict(method)}
    return {"pictures": list(pictures), "device": device, "versions": used, "threads": torch.get_num_threads()} | known


def checkpoint_differences(existing: Mapping, planned: Mapping) -> list[str]:
    """Return how two runs differ by their `checkpoint_identity`, as ``differences`` does.

    Another number of threads is no difference: the run can go on, though sums may be rounded otherwise.
    """
    found = []
    there, now = existing.get("pictures", []), planned["pictures"]
    if len(there) != len(now):
        found.append(f"number of windows: {len(there)} there, {len(now)} now")
    for before, after in zip(there, now, strict=False):
        found += [one for one in differences(before, after) if one not in found]
    if existing.get("device") != planned["device"]:
        found.append(f"device: {shorten_value(existing.get('device'))} there, {planned['device']} now")
    method = existing.get("method") if isinstance(existing.get("method"), Mapping) else {}
    for name, now in planned.get("method", {}).items():
        if name in method and method[name] != now and not found:
            found.append(f"{name}: {shorten_value(method[name])} there, {shorten_value(now)} now")
    for name, version_now in planned["versions"].items():
        version_there = look_up(existing, ("versions", name))
        if version_there != version_now:
            found.append(f"version of {name}: {shorten_value(version_there)} there, {version_now} now")
    return found


def refuse_other_run(existing: Mapping, planned: Mapping, where: str = "the checkpoint") -> None:
    """Raise CheckpointError if a checkpoint is of another run, by their `checkpoint_identity`.

    Args:
        existing: of the checkpoint.
        planned: of the run that asks for it.
        where: names the checkpoint.
    """
    if found := checkpoint_differences(existing, planned):
        raise CheckpointError(
            f"{where} is of a different run ({'; '.join(found)}); begin anew (--fresh), or use another folder (-o DIR)"
        )


def refuse_other_checkpoint(folder: Path, planned: Mapping, device: str, method: Mapping) -> None:
    """Raise CheckpointError if a folder has a checkpoint of another run.

    Args:
        folder: the folder of the run.
        planned: the `run_identity` of the planned run.
        device: its torch device.
        method: hashes of what else it uses, by name.
    """
    existing = CheckpointFolder(folder).read_identity()
    if existing is not None:  # further windows of the same photograph differ in nothing else
        pictures = [planned] * len(existing.get("pictures", []))
        refuse_other_run(existing, checkpoint_identity(pictures, device, method), str(folder / CURRENT))


def is_same_checkpoint(folder: Path, planned: Mapping, device: str, method: Mapping) -> bool:
    """Return whether a folder has a checkpoint of the planned run; arguments as ``refuse_other_checkpoint``."""
    try:
        refuse_other_checkpoint(folder, planned, device, method)
    except CheckpointError:
        return False
    return True

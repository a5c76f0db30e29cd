"""The trace of a run: a line for each step of each picture, read back from the device for many steps at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from dgp.engine.stage import StepOutput


def append_lines(trace: Sequence[list[dict]], steps: Sequence[StepOutput]) -> None:
    """Append the lines of steps to the trace of each picture that has live rows.

    All values are read in one transfer, as a read waits for all pending work of the device.

    Args:
        trace: lines of each picture.
        steps: the steps, in their order.
    """
    tables = [_values_of(step) for step in steps]
    tensors = [value.detach().double() for table in tables for value in table.values()]
    numbers = iter(torch.cat(tensors).tolist() if tensors else [])
    for step, table in zip(steps, tables, strict=True):
        values = {key: [next(numbers) for _ in range(len(value))] for key, value in table.items()}
        for picture, lines in enumerate(trace):
            rows = (step.picture == picture).nonzero()[:, 0]
            if step.live[rows].any():
                mine = {key: [of_rows[i] for i in rows.tolist()] for key, of_rows in values.items()}
                lines.append(_line(step, mine, step.stopped[rows].nonzero()[:, 0].tolist()))


def _values_of(step: StepOutput) -> dict[tuple[str, str], torch.Tensor]:
    """Return the values of a step, (N,) each, by table and name."""
    values = {("total", ""): step.total}
    values |= {("losses", name): value for name, value in step.losses.items()}
    return values | {("constrained", name): value for name, value in step.constrained.items()}


def _line(step: StepOutput, values: dict[tuple[str, str], list[float]], stopped: list[int]) -> dict:
    line = {"stage": step.stage, "iteration": step.iteration, "step": step.index, "total": values["total", ""]}
    for table in ("losses", "constrained"):
        named = {name: numbers for (of, name), numbers in values.items() if of == table}
        if named or table == "losses":
            line[table] = named
    return line | ({"stopped": stopped} if stopped else {})

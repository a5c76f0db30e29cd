"""The command ``python -m generators.training``: trains until it is stopped, and resumes there."""

from __future__ import annotations

import ctypes
import math
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import torch

from generators.errors import GeneratorError, TrainingError
from generators.training.export import save
from generators.training.export.card import About
from generators.training.export.sheet import save_sheet
from generators.training.loop import checkpoint, networks
from generators.training.loop.average import make_inference_copy
from generators.training.loop.data import read_pictures
from generators.training.loop.run import Run
from generators.training.loop.settings import default_settings

INTERRUPTED = 130
LOG_STEPS = {"cpu": 10, "cuda": 100}  # reading the losses synchronises a GPU
SHEET_BATCHES = 16  # of standing statistics, for the sample sheets during training
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, GIGABYTE = -1, -3, 2**30
NETWORK = ("width", "z_dim")


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 110})
@click.option("--arch", type=click.Choice(networks.ARCHITECTURES), required=True)
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Zip or folder of class folders.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Run again with the same folder to resume.")
@click.option(
    "--minutes", type=click.FloatRange(0, min_open=True), help="This call ends after this time, its export included."
)
@click.option("--pictures", type=int, help="The run ends when this many were generated, --seen included.")
@click.option("--decay", type=int, help="The last of --pictures, over which the learning rate falls to zero.")
@click.option("--from", "weights", help="Begin with a prior: a file or name that generators.load takes.")
@click.option("--seen", type=click.IntRange(0), help="How many pictures the weights of --from have seen.")
@click.option("--teacher", help="A prior whose pictures of the same z and class the generator imitates: file or name.")
@click.option(
    "--teaching", type=float, help="Weight of the distance to the teacher's pictures.  [default: 5 with --teacher]"
)
@click.option("--critic", help="A prior whose discriminator the run starts from: file or name.")
@click.option("--d-lr", type=float, help="Learning rate of the discriminator, if not --lr.")
@click.option("--lessons", type=int, help="Pictures at the beginning during which only --teacher is learned from.")
@click.option("--width", type=int, help="Channel multiplier (biggan), or channels of all maps (stylegan2).")
@click.option("--z-dim", type=int)
@click.option("--batch", type=int)
@click.option("--lr", type=float)
@click.option("--d-steps", type=int, help="Steps of the discriminator for each step of the generator.")
@click.option("--r1", type=float, help="Weight of the gradient penalty, 0 for none.")
@click.option("--augment", type=float, help="Strength of differentiable augmentation, 1 as published, 0 for none.")
@click.option("--half-life", type=int, help="Half-life of older weights in the average, in pictures.")
@click.option("--seed", type=int)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto")
@click.option(
    "--precision", type=click.Choice(["bf16", "fp32"]), help="Precision of maps and convolutions.  [default: bf16]"
)
@click.option("--threads", type=click.IntRange(1), help="CPU threads.")
@click.option(
    "--save-minutes", type=click.FloatRange(0), default=8, help="Minutes between checkpoints and sample sheets."
)
@click.option(
    "--log-steps", type=click.IntRange(1), help="Steps between lines of the log.  [default: 10, on a GPU 100]"
)
@click.option("--graphs/--no-graphs", default=True, help="Whether a GPU's steps are captured as CUDA graphs.")
@click.option("--name", help="Name of the prior.  [default: the name of --out]")
@click.option("--data-name", default="unknown", help="The data, for the model card.")
@click.option("--licence", default="unknown", help="Licence of the weights, for the model card.")
@click.option("--origin", default=About.origin, help="Where the weights come from, for the model card.")
@click.option("--limits", default=About.limits, help="Limits of the prior, for the model card.")
def main(arch, data, out, minutes, pictures, decay, weights, seen, device, threads, graphs, **options) -> None:
    """Train a class-conditional prior: a generator and its discriminator.

    Writes to --out: checkpoint.pt, log.jsonl, samples.png and, at the end, NAME-G_ema.safetensors, NAME-D.safetensors,
    NAME-samples.png and NAME-card.md. Defaults depend on --arch, and on whether there is a GPU.

    \b
    python -m generators.training --arch biggan --data cifar10-train.zip --out run --minutes 60
    python -m generators.training --arch biggan --data cifar10-train.zip --out run --pictures 400000 --decay 50000
    """
    begin = time.monotonic()
    if minutes is None and pictures is None:
        raise click.UsageError("give --minutes or --pictures, or the run would never end")
    if threads:
        torch.set_num_threads(threads)
    device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    card = {name: options.pop(name) for name in ("data_name", "licence", "origin", "limits")}
    about = About(options.pop("name") or out.resolve().name, card.pop("data_name"), **card)
    save_minutes, log_steps, precision = (options.pop(name) for name in ("save_minutes", "log_steps", "precision"))
    choices = options | {
        "pictures": pictures,
        "decay": decay,
        "bf16": None if precision is None else precision == "bf16",
    }
    keep_memory()
    torch.backends.cudnn.benchmark = True
    try:
        run = start_or_resume(
            arch, data, out, weights=weights, seen=seen, device=device, choices=choices, graphs=graphs
        )
        end = None if minutes is None else begin + 60 * minutes - rehearse(run, about)
        stopped = train(run, out, end=end, save_minutes=save_minutes, log_steps=log_steps or LOG_STEPS[device])
        files = save.export(run, out, about)
    except GeneratorError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    click.echo(f"{run.seen} pictures, {run.seconds / 60:.1f} min in all: {files.generator}")
    sys.exit(INTERRUPTED if stopped else 0)


def start_or_resume(
    arch: str, data: Path, out: Path, weights: str | None, seen: int | None, device: str, choices: dict, graphs: bool
) -> Run:
    """Start a new run, or resume the one in ``out``."""
    if device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("got device cuda, but torch finds none; give --device cpu")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{out}: {error.strerror}; choose another --out") from None
    state = checkpoint.load_state(out)
    if state is not None:
        if weights or seen is not None:
            raise TrainingError(
                f"{out} holds a run that is continued; leave --from and --seen out, or choose another --out"
            )
        run = checkpoint.resume(
            state, read_pictures(data), lambda own: own.with_changes(arch=arch, **choices), device, graphs=graphs
        )
        click.echo(f"goes on at {run.seen} pictures, {run.seconds / 60:.1f} min")
        return run
    settings = default_settings(arch, device, **choices)
    if seen and not weights:
        raise TrainingError("got --seen without --from; new networks have seen no pictures yet")
    if weights and (conflicting := [name for name in NETWORK if choices.get(name) is not None]):
        raise TrainingError(f"got {conflicting[0]} with --from, whose networks bring their own; leave it out")
    pictures = read_pictures(data)
    if weights:
        pair = networks.load_pair(weights, arch, pictures.side, pictures.classes)
        save.check_size(pair)
    else:
        with torch.device("meta"):
            save.check_size(networks.build_pair(settings, pictures.side, pictures.classes))
        pair = networks.initialise_pair(settings, pictures.side, pictures.classes)
    return Run(settings, pictures, pair, device, seen=seen or 0, graphs=graphs)


def rehearse(run: Run, about: About) -> float:
    """Return the seconds that the last checkpoint and the export will take, measured by doing both with few samples.

    So a run that could not be saved or exported fails before it begins.
    """
    with tempfile.TemporaryDirectory() as folder:
        times = [time.monotonic()]
        checkpoint.save(run, Path(folder))
        save.export(run, Path(folder), about, batches=1)
        times.append(time.monotonic())
        make_inference_copy(run.average, 2)
        times.append(time.monotonic())
    return times[1] - times[0] + (save.BATCHES - 1) * (times[2] - times[1]) / 2


def train(run: Run, out: Path, end: float | None, save_minutes: float, log_steps: int) -> bool:
    """Train until the run is done, the time is over or a signal comes, for one step at least; saves the last step.

    Args:
        run: the training run.
        out: folder of checkpoints, log and sample sheets.
        end: the time of ``time.monotonic`` at which no further step begins, None for no limit.
        save_minutes: between checkpoints.
        log_steps: between lines of the log.

    Returns:
        Whether a signal came.

    Raises:
        TrainingError: a loss is not finite; the last checkpoint is from before.
    """
    signals: list[int] = []
    before = {
        kind: signal.signal(kind, lambda kind, _: signals.append(kind)) for kind in (signal.SIGINT, signal.SIGTERM)
    }
    log, saved, last = checkpoint.Log(out, run.steps), run.steps, time.monotonic()
    noted = last, run.seen
    spent, since, late = run.seconds, last, False
    try:
        while not run.done and not signals and not late:
            losses_on_device = run.step()
            now = time.monotonic()
            run.seconds = spent + now - since
            if run.steps % log_steps == 0:
                losses = read_losses(losses_on_device, run)
                log.add({"steps": run.steps, "seen": run.seen} | losses)
                rate = (run.seen - noted[1]) / max(now - noted[0], 1e-9)
                words = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
                click.echo(f"{run.seen} pictures  {words}  {rate:.0f}/s  {run.seconds / 60:.1f} min")
                noted = now, run.seen
            if now - last >= 60 * save_minutes:
                read_losses(losses_on_device, run)
                checkpoint.save(run, out)
                save_sheet(make_inference_copy(run.average, SHEET_BATCHES), out / "samples.png")
                saved, last = run.steps, time.monotonic()
            late = end is not None and time.monotonic() >= end
        if saved != run.steps:
            read_losses(losses_on_device, run)
            checkpoint.save(run, out)
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
    return bool(signals)


def read_losses(losses_on_device: dict[str, torch.Tensor], run: Run) -> dict[str, float]:
    """Return the losses as numbers.

    Raises:
        TrainingError: one is not finite.
    """
    losses = {name: round(value.item(), 6) for name, value in losses_on_device.items()}
    if lost := [name for name, value in losses.items() if not math.isfinite(value)]:
        raise TrainingError(
            f"at {run.seen} pictures the loss {lost[0]} is {losses[lost[0]]}; the last checkpoint in --out is intact: "
            "continue from it with a lower --lr"
        )
    return losses


def keep_memory() -> None:
    """Tell glibc to keep the memory of large tensors; allocating it again would take a tenth of each step."""
    allocator: Any = ctypes.CDLL(None)
    if os.name == "posix" and hasattr(allocator, "mallopt"):
        allocator.mallopt(M_MMAP_THRESHOLD, GIGABYTE)
        allocator.mallopt(M_TRIM_THRESHOLD, GIGABYTE)

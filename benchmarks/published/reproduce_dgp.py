"""The published figures of Deep Generative Prior, computed by this engine, for those who hold its weights and ImageNet.

    python benchmarks/published/reproduce_dgp.py --weights pretrained/ --imagenet ILSVRC2012/val/ -o reproduce-dgp
    python benchmarks/published/reproduce_dgp.py --weights pretrained/ --imagenet val/ --list val_1k.txt --count 50

The protocol: one validation picture of each class, the lowest-numbered; its centred square, bilinear to 128 pixels; the
class told; the values of `experiments/imagenet1k_128` of the published code. `--imagenet` holds a folder for each
class (in the usual order of their names), or all pictures, with a `--list` of lines "file class" such as the published
`scripts/imagenet_val_1k.txt`. A `--count` takes pictures spread over the classes, a larger one those of a smaller too.
What is done is kept in `-o`, and is not done again: stop it, and start it again.

On one thread of a CPU a picture takes the better part of an hour for each task; on a GPU the authors name one to two
minutes. `--at-once` pictures are inverted together; each needs the memory of a generator with its optimiser.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

import generators
from degradations.errors import DegradationError
from dgp.device import resolve_device
from dgp.errors import DgpError, InputError
from dgp.evaluation import Evaluation, statistics
from dgp.evaluation.source import CleanPicture, van_der_corput
from dgp.files import write_bytes_atomic, write_json_atomic
from dgp.observation.images import open_picture, to_tensor
from dgp.output import metrics
from dgp.progress import is_interactive
from dgp.recipes.recipe import load_recipe, recipe_names

ISSUE = "issue 9 of the published code"
PAPER = "in the paper (arXiv 2003.13659), not confirmed by a source that we could open"


@dataclass(frozen=True)
class Task:
    """recipe: at 128 px.  psnr, ssim: the measurements that follow the published conventions.  settings: of the recipe.
    published: PSNR in dB and SSIM in %, where a source confirms them."""

    recipe: str
    degradation: str
    source: str
    published: tuple[float, float] | None = None
    psnr: str = "psnr"
    ssim: str = "ssim_published"
    settings: tuple[str, ...] = ()


# SSIM is the published one everywhere: a data range of 2 on pictures in [0, 1]. Colours are measured under L* of the
# original, holes inside alone.
TASKS = {
    "reconstruction": Task("dgp-reconstruction", "identity", f"Table 1, as quoted in {ISSUE}", (32.89, 95.95)),
    "reconstruction-by-colorization": Task(
        "dgp-colorization",
        "identity",
        f"a user's run with the values for colourisation, {ISSUE}",
        (25.69, 85.12),
        settings=("finish.kind=none",),
    ),
    "colorization": Task("dgp-colorization", "gray:luma=dgp", PAPER, psnr="psnr_published"),
    "inpainting": Task("dgp-inpainting", "inpaint:center=1/3", PAPER, psnr="psnr_unobserved", ssim="ssim_hole"),
    "sr-d": Task("dgp-sr-d", "sr-dgp", PAPER),
    "sr-mse": Task("dgp-sr-mse", "sr-dgp", PAPER),
}


def chosen(folder: Path, listing: Path | None, classes: int, count: int | None) -> list[CleanPicture]:
    """The pictures of the protocol in the order of their classes; the class's number is the `folder` of each."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected the validation pictures of ImageNet")
    pairs = _listed(folder, listing) if listing else _first_of_each(folder, classes)
    if count is not None and count > len(pairs):
        raise InputError(f"got --count {count}, but the protocol has {len(pairs)} pictures")
    some = sorted(van_der_corput(len(pairs))[: count or len(pairs)])
    opened = [(path, number, open_picture(path)) for path, number in (pairs[i] for i in some)]
    return [CleanPicture(path.name, str(number), picture, picture.sha256) for path, number, picture in opened]


def _listed(folder: Path, listing: Path) -> list[tuple[Path, int]]:
    pairs = [line.rsplit(maxsplit=1) for line in listing.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not pairs or not all(len(pair) == 2 and pair[1].isdigit() for pair in pairs):
        raise InputError(f"{listing}: expected lines of a file's name and the number of its class")
    return [(folder / name, int(number)) for name, number in pairs]


def _first_of_each(folder: Path, classes: int) -> list[tuple[Path, int]]:
    folders = sorted(path for path in folder.iterdir() if path.is_dir())
    if len(folders) != classes:
        raise InputError(
            f"{folder}: got {len(folders)} folders, expected one for each of the {classes} classes; "
            "for pictures that lie side by side, name their classes by --list"
        )
    files = [
        sorted(path for path in own.iterdir() if path.suffix.lower() in (".jpeg", ".jpg", ".png")) for own in folders
    ]
    if empty := [own.name for own, found in zip(folders, files, strict=True) if not found]:
        raise InputError(f"{folder / empty[0]}: no pictures in it; expected those of one class")
    return [(found[0], number) for number, found in enumerate(files)]


def evaluation_of(
    name: str, pictures: list[CleanPicture], prior: generators.Prior, options: argparse.Namespace
) -> Evaluation:
    task = TASKS[name]
    larger = f"{task.recipe}-{prior.generator.info.resolution}"
    recipe = load_recipe(larger if larger in recipe_names() else task.recipe, (*task.settings, *options.overrides))
    return Evaluation(
        pictures,
        [task.degradation],
        {recipe.name: recipe},
        prior,
        options.output / name,
        seed=options.seed,
        device=resolve_device(options.device),
        at_once=options.at_once,
        baselines=False,
    )


def figures(name: str, evaluation: Evaluation) -> dict:
    """Ours beside the published ones: {"psnr": {n, mean, low, high}, "ssim": the same in %, ...}."""
    task, arm = TASKS[name], evaluation.arms[0]
    found = evaluation.write()["results"][task.degradation][arm.name]
    if task.ssim == "ssim_hole":
        found |= statistics.means({p: {"ssim_hole": v} for p, v in _inside(evaluation).items()})
    ssim = {key: value if key == "n" else 100 * value for key, value in found[task.ssim].items()}
    published = dict(zip(("psnr", "ssim"), task.published or (None, None), strict=True))
    ours = {"psnr": found[task.psnr], "ssim": ssim}
    return {"recipe": arm.name, "published": published, "source": task.source, "ours": ours}


def _inside(evaluation: Evaluation) -> dict[str, float]:
    """The published SSIM of the hole alone, cut out of the stored pictures."""
    arm, (spec,) = evaluation.arms[0], evaluation.degradations
    values = {}
    for picture, _, path in evaluation.answers(arm, spec):
        observation = evaluation.observation(picture, spec)
        original = observation.original[0]
        hidden = observation.degradation.unobserved(tuple(original.shape[-2:]))[0]
        rows, columns = (slice(where.min(), where.max() + 1) for where in hidden.nonzero(as_tuple=True))
        values[picture.name] = metrics.ssim_published(
            *(x[:, rows, columns] for x in (to_tensor(Image.open(path))[0], original))
        )
    return values


def table(found: dict[str, dict], pictures: int) -> str:
    head = ("task", "recipe", "PSNR, published", "PSNR, ours", "SSIM %, published", "SSIM %, ours", "published figures")
    lines = [
        f"n = {pictures} pictures; in brackets the {statistics.INTERVAL:.0%} bootstrap interval of the mean.",
        "",
        "| " + " | ".join(head) + " |",
        "|" + " --- |" * len(head),
    ]
    for name, row in found.items():
        cells = [name, row["recipe"]]
        for metric in ("psnr", "ssim"):
            published, ours = row["published"][metric], row["ours"][metric]
            cells.append("-" if published is None else f"{published:.2f}")
            cells.append(f"{ours['mean']:.2f} [{ours['low']:.2f}, {ours['high']:.2f}]")
        lines.append("| " + " | ".join([*cells, row["source"]]) + " |")
    return "\n".join(lines) + "\n"


def reproduce(options: argparse.Namespace) -> dict:
    from tqdm import tqdm

    path = options.weights / f"G_ema_{options.resolution}.pth"
    prior = generators.load(path if path.is_file() else options.weights)
    info = prior.generator.info
    if info.resolution != options.resolution:
        raise InputError(f"{options.weights}: got a prior of {info.resolution} px; give --resolution {info.resolution}")
    pictures = chosen(options.imagenet, options.list, len(info.classes), options.count)
    runs = {name: evaluation_of(name, pictures, prior, options) for name in options.task or TASKS}
    for evaluation in runs.values():
        evaluation.folder.mkdir(parents=True, exist_ok=True)
        evaluation.check()
    found = {}
    with tqdm(
        total=sum(e.remaining_steps for e in runs.values()), unit="step", file=sys.stderr, disable=not is_interactive()
    ) as bar:
        for name, evaluation in runs.items():
            evaluation.run(lambda count, doing: bar.update(count))
            found[name] = figures(name, evaluation)
    told = {
        "schema": 1,
        "pictures": len(pictures),
        "prior": {"name": prior.name, "sha256": prior.sha256},
        "tasks": found,
    }
    write_bytes_atomic(options.output / "table.md", table(found, len(pictures)).encode())
    write_json_atomic(options.output / "figures.json", told)
    return told


def main(arguments: list[str] | None = None) -> dict:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--weights", type=Path, required=True, help="DGP's folder (G_ema_128.pth, D_128.pth), or a file"
    )
    parser.add_argument("--imagenet", type=Path, required=True, help="the folder of the validation pictures")
    parser.add_argument("--list", type=Path, help="lines of a file's name and the number of its class")
    parser.add_argument(
        "--resolution", type=int, default=128, help="which of the weights; figures are published for 128"
    )
    parser.add_argument("--task", action="append", choices=TASKS, help="repeatable; all where none is named")
    parser.add_argument("--count", type=int, help="so many of the pictures")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--at-once", type=int, default=1, help="pictures that are inverted together")
    parser.add_argument("-o", "--output", type=Path, default=Path("reproduce-dgp"))
    options = parser.parse_args(arguments)
    try:
        told = reproduce(options)
    except (DgpError, DegradationError, generators.GeneratorError) as error:
        raise SystemExit(f"error: {error}") from None
    print((options.output / "table.md").read_text())
    return told


if __name__ == "__main__":
    main()

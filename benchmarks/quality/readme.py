"""Compute the table of restorations and the pictures of the README.

    python benchmarks/quality/readme.py cifar10-test.zip --units out/readme

Finished results are kept in --units and not computed again. The same table can be made for other priors (`--prior
FILE`, `--no-pictures`, `--readme COPY.md`). All figures are for the test split and one seed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from score_prior import JUDGE
from tqdm import tqdm

import dgp
from dgp.evaluation import Evaluation, Source
from dgp.evaluation.judge import load_judge
from dgp.files import write_bytes_atomic
from dgp.observation.figures import join_images

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "notebooks/pictures"
BEGIN, END = "<!-- restorations -->\n", "<!-- end of restorations -->\n"
# spec -> (heading, metric)
MEASURED = {
    "gray": ("colours (`gray`)", "psnr"),
    "sr:4": ("`sr:4`", "psnr"),
    "inpaint:center=1/3": ("`inpaint:center=1/3`", "psnr_unobserved"),
}
BASELINES = {
    "degraded": "the degraded picture",
    "classical": "classical: mean chroma, bicubic, biharmonic",
}
OURS = {
    "default": "**`default`**, {prior}",
    "default, latents only": "... its latents alone, nothing released",
}
ABLATION = {"all-at-once-mse": "all layers at once, MSE only, {prior}"}
BUNDLED = ("biggan-cifar10", "stylegan2-cifar10")
GAP = 4  # pixels between pictures
TASKS = {"gray": "gray", "inpaint": "inpaint:center=1/3", "sr": "sr:4", "chain": "gray+sr:2", "invert": "identity"}


def evaluate(options: argparse.Namespace, name: str, recipes: Sequence[str], baselines: bool) -> dict:
    """Evaluate recipes on a prior, and return the summary."""
    source = Source(options.pictures)
    changes = () if options.budget is None else (f"budget={options.budget}",)
    evaluation = Evaluation(
        pictures=source.open(source.choose(per_class=options.per_class)),
        degradations=tuple(MEASURED),
        recipes={recipe: dgp.load_recipe(recipe, changes) for recipe in recipes},
        prior=dgp.load_prior(name),
        folder=options.units / Path(name).stem,
        judge=load_judge(JUDGE),
        baselines=baselines,
    )
    evaluation.check()
    with tqdm(
        total=evaluation.remaining_steps, unit="step", desc=Path(name).stem, disable=not evaluation.remaining_steps
    ) as bar:
        evaluation.run(lambda count, text: bar.update(count))
    return evaluation.write()


def table(options: argparse.Namespace) -> str:
    """Return the table in Markdown: PSNR in dB, and in parentheses the share that the judge recognises."""
    lines = [
        "| | " + " | ".join(heading for heading, _ in MEASURED.values()) + " |",
        "|---|" + "---|" * len(MEASURED),
    ]
    for number, name in enumerate(options.prior):
        first, prior = number == 0, Path(name).stem
        recipes = ("default", "all-at-once-mse") if first else ("default",)
        summary = evaluate(options, name, recipes, baselines=first)
        for arm, words in (BASELINES | OURS | ABLATION if first else OURS).items():
            cells = [cell(summary["results"][spec][arm], metric) for spec, (_, metric) in MEASURED.items()]
            lines.append(f"| {words.format(prior=prior)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def cell(means: dict, metric: str) -> str:
    """Return a cell of the table from the means of an arm."""
    found = f"{means[metric]['mean']:.2f}"
    return f"{found} ({100 * means['recognised']['mean']:.0f} %)" if "recognised" in means else found


def replace_table(readme: Path, lines: str) -> None:
    """Replace the text between the two marks in a file. Raises SystemExit if they are missing."""
    text = readme.read_text()
    if BEGIN not in text or END not in text:
        sys.exit(f"{readme}: expected the lines {BEGIN.strip()} and {END.strip()}, with the table between them")
    before, rest = text.split(BEGIN, 1)
    write_bytes_atomic(readme, (before + BEGIN + "\n" + lines + "\n" + END + rest.split(END, 1)[1]).encode())


def draw() -> None:
    """Make the pictures of the README: the photograph of a cat in every task."""
    prior = dgp.load_prior("biggan-cifar10")
    colour, grey = Image.open(PICTURES / "cat.png"), Image.open(PICTURES / "cat-grey.png")
    result = dgp.restore(grey, "gray", prior, label="cat", recipe="typical")  # the README's first command
    join_images((grey, result.image, colour), GAP, 256).save(PICTURES / "colorize.png", optimize=True)
    for name, spec in TASKS.items():
        result = dgp.restore(colour, spec, prior, label="cat", simulate=True)
        join_images((result.observation.picture, result.image), GAP, 128).save(
            PICTURES / f"task-{name}.png", optimize=True
        )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "pictures", type=Path, help="folder or zip archive with a folder per class, not used in training"
    )
    parser.add_argument("--units", type=Path, required=True, help="the folder for finished results")
    parser.add_argument("--prior", action="append", help="name or file; repeatable (default: both bundled priors)")
    parser.add_argument("--per-class", type=int, default=10)
    parser.add_argument("--budget", type=int, help="cost of each answer, in passes through a network")
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md")
    parser.add_argument("--no-pictures", action="store_true", help="compute the table only")
    options = parser.parse_args(arguments)
    options.prior = options.prior or list(BUNDLED)
    found = table(options)
    replace_table(options.readme, found)
    print(found, end="")
    if not options.no_pictures:
        draw()


if __name__ == "__main__":
    main()

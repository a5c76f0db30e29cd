"""Scores of priors: comparison of random pictures with real ones, by the features of the project's judge.

    python benchmarks/quality/score_prior.py cifar10-test.zip biggan-cifar10 run/G_ema.safetensors --json scores.json

`frechet` is the Frechet distance between the features (the 128 inputs of the judge's last layer) of the real pictures
and of the same number of samples. Lower is better. It is not the FID, which uses the features of Inception. `precision`
and `recall` are those of Kynkäänniemi et al. 2019 with the same features. `recognised` is the share of samples that the
judge assigns to their class. All scores depend on the number of pictures, so only values of one run are comparable.
`--reference` scores other real pictures like samples, as an upper bound for priors.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

import generators
from dgp.device import resolve_device
from dgp.evaluation.judge import SIDE, Judge, load_judge
from dgp.files import write_bytes_atomic
from generators.errors import GeneratorError
from generators.training.export.save import write_scores
from generators.training.export.scores import frechet_distance, precision_recall
from generators.training.loop.data import read_pictures

JUDGE = Path(__file__).resolve().parents[1] / "judge-cifar10.safetensors"
AT_ONCE = 100  # pictures that are processed together
COLUMNS = ("frechet", "precision", "recall", "recognised")


@torch.inference_mode()
def features(judge: Judge, levels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the features (N, C) of pictures (N, 3, R, R) uint8, and the classes that the judge assigns (N,)."""
    *body, last = judge.network
    found = []
    device = next(judge.network.parameters()).device
    for part in levels.split(AT_ONCE):
        x = part.to(device).float() / 127.5 - 1
        x = x if x.shape[-1] == SIDE else F.interpolate(x, (SIDE, SIDE), mode="area")
        for layer in body:
            x = layer(x)
        found.append(x)
    joined = torch.cat(found)
    return joined, last(joined).argmax(1).cpu()


@torch.inference_mode()
def samples(generator: generators.Generator, labels: Tensor, seed: int) -> Tensor:
    """Return random pictures of the given classes at truncation 1, rounded to 8 bits, (N, 3, R, R) uint8."""
    random = torch.Generator().manual_seed(seed)
    pictures = []
    for part in labels.split(AT_ONCE):
        x = generator(generator.sample(len(part), classes=part, generator=random)).clamp(-1, 1)
        pictures.append(((x + 1) * 127.5).round().byte().cpu())
    return torch.cat(pictures)


def scores(real: Tensor, made: Tensor, assigned: Tensor, classes: Tensor) -> dict[str, float]:
    """Return the scores `COLUMNS` from the features of real and generated pictures, and the classes of the latter."""
    precision, recall = precision_recall(real, made)
    recognised = float((assigned == classes).float().mean())
    values = (frechet_distance(real, made), precision, recall, recognised)
    return {name: round(value, 4) for name, value in zip(COLUMNS, values, strict=True)}


def table(found: dict[str, dict[str, float]]) -> list[str]:
    """Return the lines of a table in Markdown."""
    lines = [f"| prior | {' | '.join(COLUMNS)} |", f"|---|{'---|' * len(COLUMNS)}"]
    for name, values in found.items():
        shown = f"{values['frechet']:.2f} | " + " | ".join(f"{values[column]:.1%}" for column in COLUMNS[1:])
        lines.append(f"| {name} | {shown} |")
    return lines


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "pictures", type=Path, help="folder or zip archive with a folder per class, not used in training"
    )
    parser.add_argument("priors", nargs="+", help="names or files")
    parser.add_argument("--reference", type=Path, help="other real pictures, of which the same number is scored")
    parser.add_argument("--judge", type=Path, default=JUDGE)
    parser.add_argument("--count", type=int, help="how many pictures (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file for the scores")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument(
        "--cards", action="store_true", help="write the table into the model cards of priors that are files"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        run(options)
    except (GeneratorError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(getattr(error, "exit_code", 2))


def run(options: argparse.Namespace) -> None:
    """Score the priors, print the table, and write the files that the options name."""
    judge, device = load_judge(options.judge), resolve_device(options.device)
    judge.network.to(device)
    pictures = read_pictures(options.pictures)
    chosen = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(options.seed))[: options.count]
    own = torch.tensor([judge.class_of(name) for name in pictures.classes])
    real, assigned = features(judge, pictures.pixels[chosen])
    recognised = float((assigned == own[pictures.labels[chosen]]).float().mean())
    found: dict[str, dict[str, float]] = {}
    for name in options.priors:
        prior = generators.load(name)
        generator, title = prior.generator.to(device), name if prior.name in found else prior.name
        if set(generator.info.classes) != set(pictures.classes):
            raise ValueError(f"{name} has other classes than {options.pictures}; give pictures of the prior's classes")
        # The samples have the same number of pictures of each class as the real ones.
        labels = torch.tensor([generator.info.class_index(c) for c in pictures.classes])[pictures.labels[chosen]]
        made, theirs = features(judge, samples(generator, labels, options.seed))
        found[title] = scores(real, made, theirs, own[pictures.labels[chosen]])
        print(table({title: found[title]})[-1], file=sys.stderr)
    if options.reference:
        other = read_pictures(options.reference)
        some = torch.randperm(len(other), generator=torch.Generator().manual_seed(options.seed))[: len(chosen)]
        names = torch.tensor([judge.class_of(name) for name in other.classes])
        found[f"real: {options.reference.name}"] = scores(
            real, *features(judge, other.pixels[some]), names[other.labels[some]]
        )
    about = f"{len(chosen)} pictures of {options.pictures.name}, as many samples; features of {judge.name}, which"
    lines = [
        f"{about} recognises {recognised:.1%} of the real ones. `frechet`: lower is better; it is not the FID.",
        "",
        *table(found),
    ]
    print("\n".join(lines))
    if options.json:
        record = {
            "pictures": options.pictures.name,
            "count": len(chosen),
            "judge": judge.sha256,
            "recognised": recognised,
        }
        write_bytes_atomic(options.json, json.dumps(record | {"scores": found}, indent=1).encode())
    if options.cards:
        for name in options.priors:
            if Path(name).is_file():
                write_scores(Path(name), lines)


if __name__ == "__main__":
    main()

"""Scores of priors against real pictures, all in one run, by the features of the project's own judge.

    python benchmarks/quality/score_prior.py cifar10-test.zip biggan-cifar10 run/G_ema.safetensors --json scores.json

`frechet` is the Frechet distance between the features (the 128 values before the judge's last layer) of the real
pictures and of as many samples: lower is better, and it is no FID, whose features are Inception's. `precision` and
`recall` are those of Kynkäänniemi et al. 2019 on the same features. `recognised` is the share of samples that the judge
takes for their class. All depend on how many pictures there are, so only values of one run compare. `--reference`
scores other real pictures as if they had been generated: what a prior without fault would have.
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
from generators.training.data import read_pictures
from generators.training.export.export import rescored
from generators.training.export.scores import frechet, precision_recall

JUDGE = Path(__file__).resolve().parents[1] / "judge-cifar10.safetensors"
AT_ONCE = 100
COLUMNS = ("frechet", "precision", "recall", "recognised")


@torch.inference_mode()
def features(judge: Judge, levels: Tensor) -> tuple[Tensor, Tensor]:
    """levels (N, 3, R, R) uint8 -> (what enters the judge's last layer (N, C), the class it takes each for (N,))."""
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
    """(N, 3, R, R) uint8, as files would hold them, at truncation 1."""
    random = torch.Generator().manual_seed(seed)
    made = []
    for part in labels.split(AT_ONCE):
        x = generator(generator.sample(len(part), classes=part, generator=random)).clamp(-1, 1)
        made.append(((x + 1) * 127.5).round().byte().cpu())
    return torch.cat(made)


def scores(real: Tensor, made: Tensor, taken_for: Tensor, classes: Tensor) -> dict[str, float]:
    precision, recall = precision_recall(real, made)
    recognised = float((taken_for == classes).float().mean())
    values = (frechet(real, made), precision, recall, recognised)
    return {name: round(value, 4) for name, value in zip(COLUMNS, values, strict=True)}


def table(found: dict[str, dict[str, float]]) -> list[str]:
    lines = [f"| prior | {' | '.join(COLUMNS)} |", f"|---|{'---|' * len(COLUMNS)}"]
    for name, values in found.items():
        shown = f"{values['frechet']:.2f} | " + " | ".join(f"{values[column]:.1%}" for column in COLUMNS[1:])
        lines.append(f"| {name} | {shown} |")
    return lines


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="zip or folder of class folders, not trained on")
    parser.add_argument("priors", nargs="+", help="names or files")
    parser.add_argument("--reference", type=Path, help="other real pictures, as many of which are scored too")
    parser.add_argument("--judge", type=Path, default=JUDGE)
    parser.add_argument("--count", type=int, help="of each; all pictures, unless told")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file for the scores")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument(
        "--cards", action="store_true", help="write the table into the cards of the files among the priors"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        run(options)
    except (GeneratorError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(getattr(error, "exit_code", 2))


def run(options: argparse.Namespace) -> None:
    judge, device = load_judge(options.judge), resolve_device(options.device)
    judge.network.to(device)
    pictures = read_pictures(options.pictures)
    chosen = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(options.seed))[: options.count]
    own = torch.tensor([judge.class_of(name) for name in pictures.classes])
    real, taken_for = features(judge, pictures.pixels[chosen])
    recognised = float((taken_for == own[pictures.labels[chosen]]).float().mean())
    found: dict[str, dict[str, float]] = {}
    for name in options.priors:
        prior = generators.load(name)
        generator, shown = prior.generator.to(device), name if prior.name in found else prior.name
        if set(generator.info.classes) != set(pictures.classes):
            raise ValueError(f"{name} has other classes than {options.pictures}; give pictures of its own")
        # As many of each class as the real ones have.
        labels = torch.tensor([generator.info.class_index(c) for c in pictures.classes])[pictures.labels[chosen]]
        made, theirs = features(judge, samples(generator, labels, options.seed))
        found[shown] = scores(real, made, theirs, own[pictures.labels[chosen]])
        print(table({shown: found[shown]})[-1], file=sys.stderr)
    if options.reference:
        other = read_pictures(options.reference)
        some = torch.randperm(len(other), generator=torch.Generator().manual_seed(options.seed))[: len(chosen)]
        names = torch.tensor([judge.class_of(name) for name in other.classes])
        found[f"real: {options.reference.name}"] = scores(
            real, *features(judge, other.pixels[some]), names[other.labels[some]]
        )
    about = f"{len(chosen)} pictures of {options.pictures.name}, as many samples; features of {judge.name}, which takes"
    lines = [
        f"{about} {recognised:.1%} of the real ones for what they are. `frechet`: less is better; it is no FID.",
        "",
        *table(found),
    ]
    print("\n".join(lines))
    if options.json:
        said = {
            "pictures": options.pictures.name,
            "count": len(chosen),
            "judge": judge.sha256,
            "recognised": recognised,
        }
        write_bytes_atomic(options.json, json.dumps(said | {"scores": found}, indent=1).encode())
    if options.cards:
        for name in options.priors:
            if Path(name).is_file():
                rescored(Path(name), lines)


if __name__ == "__main__":
    main()

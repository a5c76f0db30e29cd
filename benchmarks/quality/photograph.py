"""Accuracy of estimates, of ``-d auto`` and of ``mask=auto`` by the size of the picture.

    python benchmarks/quality/photograph.py photos/ --archive cifar10-dev.zip > photograph.json

Photographs of a folder are damaged at their own size (the row "512": 437 to 800 px), shrunk until their shorter side
has 128 px, and as collages of sixteen (2000 x 1332), since photographs that are enlarged would be blurred beforehand.
The row "32" has pictures of the archive, which are estimated at the prior's resolution. None of these pictures was
used for training. Pictures are handed over without metadata. The script prints a table on stderr and JSON on stdout.
See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from blind import pictures_of
from PIL import Image
from scratches import KINDS, damage, detect, mean, scores

import degradations
import generators
from degradations.files.pictures import from_picture, to_picture
from dgp.identify.estimate import estimate_unknowns
from dgp.identify.photograph.ranking import rank_in_photograph
from dgp.observation.prepare import prepare

STRENGTHS = {
    "blur:sigma=auto": ({"sigma": 1.0}, {"sigma": 3.0}),
    "defocus:radius=auto": ({"radius": 2.0}, {"radius": 5.0}),
    "motion-blur:length=auto,angle=auto": ({"length": 6.0, "angle": 20.0}, {"length": 12.0, "angle": -60.0}),
    "noise:sigma=auto": ({"sigma": 0.03}, {"sigma": 0.1}),
    "poisson:photons=auto": ({"photons": 20.0}, {"photons": 200.0}),
    "jpeg:quality=auto": ({"quality": 8.0}, {"quality": 40.0}),
    "fade:contrast=auto,black=auto": ({"contrast": 0.4, "black": 0.3}, {"contrast": 0.7, "black": 0.1}),
}
DAMAGED = {
    "blur": ("blur:1.5", "blur:3", "defocus:4", "motion-blur:length=9,angle=30"),
    "noise": ("noise:0.03", "noise:0.1", "poisson:30"),
    "jpeg": ("jpeg:8", "jpeg:25", "jpeg:40"),
    "fading": ("fade:contrast=0.5,black=0.25", "fade:contrast=0.65,black=0.1"),
    "missing colour": ("gray",),
    "low resolution": ("rescale:2", "rescale:4", "rescale:3,up=bilinear"),
}
COLLAGE = 4  # pictures down and across
CELL = 500, 333  # (width, height)
SHORT = 128  # pixels: shorter side of the shrunk photographs


def read_pictures(folder: Path, size: str) -> Iterator[Image.Image]:
    """Yield the coloured photographs of a folder at a size."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    pictures = [Image.open(path) for path in paths]
    large = [p for p in pictures if p.mode == "RGB" and 437 <= max(p.size) <= 800 and min(p.size) >= CELL[1]]
    if size == "2000":
        for start in range(0, len(large) - COLLAGE**2 + 1, 3):
            sheet = Image.new("RGB", (COLLAGE * CELL[0], COLLAGE * CELL[1]))
            for k, picture in enumerate(large[start : start + COLLAGE**2]):
                part = picture if picture.width >= CELL[0] else picture.rotate(90, expand=True)
                if part.width < CELL[0] or part.height < CELL[1]:
                    part = part.resize(CELL, Image.Resampling.LANCZOS)
                sheet.paste(part.crop((0, 0, *CELL)), (k % COLLAGE * CELL[0], k // COLLAGE * CELL[1]))
            yield sheet
    for picture in large if size != "2000" else ():
        factor = SHORT / min(picture.size) if size == "128" else 1
        yield picture.resize(tuple(round(n * factor) for n in picture.size), Image.Resampling.LANCZOS)


def degrade(picture: Image.Image, operator: degradations.Degradation, seed: int) -> Image.Image:
    return to_picture(operator.simulate(from_picture(picture), torch.Generator().manual_seed(seed)))


def measure_estimates(pictures: list[Image.Image], size: str, prior: generators.Prior) -> list[dict]:
    """Return a row for each parameter."""
    rows = []
    for spec, strengths in STRENGTHS.items():
        asked, found, seconds = degradations.parse(spec), {}, []
        for values in strengths:
            for number, picture in enumerate(pictures):
                damaged = degrade(picture, asked.with_values(values), number)
                begin = time.perf_counter()
                estimates = estimate_unknowns(prepare(damaged, spec, prior), prior).estimates
                seconds.append(time.perf_counter() - begin)
                for name, true in values.items():
                    found.setdefault(name, []).append((estimates[name].value, estimates[name].spread, true))
        for name, cells in found.items():
            value, spread, true = np.array(cells).T
            off = abs(value - true)
            row = {"size": size, "spec": spec, "parameter": name, "count": len(cells)}
            row |= {"median_relative": float(np.median(off / abs(true))), "median_absolute": float(np.median(off))}
            row |= {
                "within_1_spread": float((off <= spread).mean()),
                "within_2_spread": float((off <= 2 * spread).mean()),
            }
            row |= {"median_s": float(np.median(seconds))}
            rows.append(row)
            print(
                f"| {size} | `{spec}` | {name} | {row['median_relative']:.1%} | {row['median_absolute']:.3g} "
                f"| {row['within_1_spread']:.0%}, {row['within_2_spread']:.0%} | {len(cells)} |",
                file=sys.stderr,
                flush=True,
            )
    return rows


def measure_ranking(pictures: list[Image.Image], size: str, each: int) -> list[dict]:
    """Return a row for each damage and one for undamaged pictures."""
    rows, seconds = [], []
    for name, specs in {"none": ("none",), "scratches": ("wear",), **DAMAGED}.items():
        ranks = []
        for number in range(min(each * (3 if name == "none" else 1), len(pictures) * len(specs))):
            picture, spec = pictures[number % len(pictures)], specs[number % len(specs)]
            if spec == "wear":
                picture = damage(picture, KINDS["all"], number, None)[0]
            elif spec != "none":
                picture = degrade(picture, degradations.parse(spec), number)
            begin = time.perf_counter()
            chains = [candidate.damages for candidate in rank_in_photograph(picture)]
            seconds.append(time.perf_counter() - begin)
            ranks.append(chains.index(() if name == "none" else (name,)))
        ranks = np.array(ranks)
        row = {"size": size, "damage": name, "count": len(ranks), "median_s": float(np.median(seconds))}
        row |= {"first": float((ranks < 1).mean()), "within_three": float((ranks < 3).mean())}
        rows.append(row)
        print(
            f"| {size} | {name} | {row['first']:.0%} | {row['within_three']:.0%} | {len(ranks)} |",
            file=sys.stderr,
            flush=True,
        )
    return rows


def measure_masks(pictures: list[Image.Image], size: str) -> list[dict]:
    """Return rows of ``find_damage`` for worn and for undamaged pictures."""
    rows = []
    for kind in ("all", "none"):
        cells, seconds = [], []
        for number, picture in enumerate(pictures):
            worn, truth = damage(picture, KINDS[kind], number, None)
            begin = time.process_time()
            found = detect(worn)
            seconds.append(time.process_time() - begin)
            cells.append(scores(found, truth))
        rows.append({"size": size, "wear": kind, "cpu_s": float(np.median(seconds))} | mean(cells))
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--archive", help="a folder or zip archive of clean pictures of the prior's size")
    parser.add_argument("--sizes", nargs="+", default=("32", "128", "512", "2000"))
    parser.add_argument("--parts", nargs="+", default=("estimates", "auto", "mask"))
    parser.add_argument("--count", type=int, default=20, help="pictures of each size")
    parser.add_argument("--each", type=int, default=8, help="pictures of each damage for auto")
    options = parser.parse_args()
    torch.set_num_threads(1)
    prior = generators.load(generators.DEFAULT)
    report = {"torch": torch.__version__, "estimates": [], "auto": [], "mask": []}
    for size in options.sizes:
        if size == "32":
            pictures = [to_picture(x) for x in pictures_of(options.archive, 0, options.count)[:, None]]
        else:
            pictures = list(read_pictures(options.folder, size))[: options.count]
        if "estimates" in options.parts:
            report["estimates"] += measure_estimates(pictures, size, prior)
        if "auto" in options.parts and size != "32":
            report["auto"] += measure_ranking(pictures, size, options.each)
        if "mask" in options.parts and size != "32":
            report["mask"] += measure_masks(pictures, size)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()

"""PSNR of restored photographs at their own size, beside that of the degraded photographs.

Each photograph is degraded at its own size by each operator, and restored. For comparison, ``--earlier`` names a JSON
Lines file that the same script wrote with another version of the package; its column is printed beside the present one.

    python benchmarks/quality/photographs.py photos/ --count 20 -o now.jsonl
    python benchmarks/quality/photographs.py photos/ --count 20 -o now.jsonl --earlier before.jsonl --sheet sheet.png

Finished runs are read from the file again, so that an interrupted call can be repeated.
"""

from __future__ import annotations

import argparse
import inspect
import io
import json
import time
from pathlib import Path

import numpy as np
from PIL import Image

# Each operator of the README's table that applies to photographs of any size, at two strengths.
SPECS = (
    ("blur:1.5", "blur:3"),
    ("motion-blur:length=5,angle=30", "motion-blur:length=12,angle=30"),
    ("defocus:1.5", "defocus:4"),
    ("sr:2", "sr:4"),
    ("rescale:2", "rescale:4"),
    ("affine:angle=10", "affine:angle=30,scale=0.9"),
    ("perspective:0.1", "perspective:0.2"),
    ("lens:0.1", "lens:0.2"),
    ("photo:blur=0.4,yellowing=0.2,fading=0.15,scratches=2,creases=0,dust=5", "photo"),
    ("inpaint:strokes=0.05", "inpaint:strokes=0.2"),
    ("inpaint:pixels=0.3", "inpaint:pixels=0.7"),
    ("inpaint:center=1/6", "inpaint:center=1/3"),
    ("scanlines:0.5", "scanlines:1"),
    ("mosaic", "mosaic+noise:0.02"),
    ("channel:blue,amount=0.5", "channel:blue"),
    ("gray", "gray+noise:0.05"),
    ("fade:0.6", "fade:contrast=0.3,black=0.3"),
    ("sepia:0.5", "sepia"),
    ("gamma:1.5", "gamma:2.2"),
    ("white-balance:blue=0.7", "white-balance:blue=0.5"),
    ("jpeg:30", "jpeg:8"),
    ("quantise:16", "quantise:8"),
    ("dither:4", "dither:2"),
    ("palette:64", "palette:16"),
    ("noise:0.05", "noise:0.1"),
    ("poisson:200", "poisson:60"),
    ("salt-pepper:0.05", "salt-pepper:0.2"),
    ("speckle:0.1", "speckle:0.2"),
    ("dropout:0.05", "dropout:0.2"),
    ("blur:1.5+noise:0.05", "fade:0.6+noise:0.05+jpeg:40"),
)


def photographs(folder: Path, count: int) -> list[Path]:
    """Return colour photographs, the same for each call."""
    found = []
    for path in sorted(folder.iterdir()):
        pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
        if np.ptp(pixels, axis=2).mean() > 8 and min(pixels.shape[:2]) >= 200:
            found.append(path)
    return found[:: max(1, len(found) // count)][:count]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    mse = np.square(a.astype(float) - b).mean()
    return 99.0 if mse == 0 else float(-10 * np.log10(mse / 255**2))


def degrade(image: Image.Image, spec: str) -> Image.Image:
    """Return the degraded photograph, read from a PNG file as users have it."""
    import torch

    import degradations
    from dgp.observation.images import to_tensor

    x = to_tensor(image)
    operator = degradations.parse(spec).build(image, 0, tuple(x.shape[-2:]))
    file = io.BytesIO()
    operator.picture(operator.simulate(x, torch.Generator().manual_seed(0))).save(file, "PNG")
    return Image.open(file)


def restore(path: Path, spec: str, prior, budget: int) -> dict:
    """Return the measurements of one run."""
    import dgp

    image = Image.open(path).convert("RGB")
    degraded = degrade(image, spec)
    options = {"fit": "stretch"} if degraded.size != image.size else {}
    begin = time.process_time()
    # The class is given, as photographs of other classes than the prior's are restored.
    options |= {"label": 0, "budget": budget, "seed": 0, "progress": False}
    if "simulate_at" in inspect.signature(dgp.restore).parameters:
        result = dgp.restore(image, spec, prior, simulate=True, simulate_at="photo", **options)
        degraded = result.observation.geometry.photograph.picture
    else:  # earlier versions degrade at the prior's resolution only
        result = dgp.restore(degraded, spec, prior, **options)
    answer, same = result.image.convert("RGB"), degraded.size == image.size
    reference = (
        degraded.convert("RGB") if same else degraded.convert("RGB").resize(image.size, Image.Resampling.BICUBIC)
    )
    answer = answer if answer.size == image.size else answer.resize(image.size, Image.Resampling.BICUBIC)
    clean = np.asarray(image)
    return {
        "picture": path.name,
        "spec": spec,
        "input": psnr(np.asarray(reference), clean),
        "answer": psnr(np.asarray(answer), clean),
        "warned": bool(getattr(result, "full_size", None) and result.full_size.harm),
        "notes": len(result.observation.notes),
        "seconds": time.process_time() - begin,
    }


def read(path: Path | None) -> dict[tuple[str, str], dict]:
    """Return the runs of a JSON Lines file by picture and spec."""
    if path is None or not path.exists():
        return {}
    return {(row["picture"], row["spec"]): row for row in map(json.loads, path.read_text().splitlines())}


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a mean."""
    random = np.random.default_rng(0)
    means = values[random.integers(0, len(values), (2000, len(values)))].mean(1)
    return tuple(np.quantile(means, (0.025, 0.975)))


def table(now: dict, earlier: dict, specs: list[str]) -> list[dict]:
    """Return one row for each spec: means over the pictures."""
    rows = []
    for spec in specs:
        runs = [row for (_, own), row in now.items() if own == spec and "answer" in row]
        if not runs:
            continue
        gains = np.array([row["answer"] - row["input"] for row in runs])
        before = [earlier[row["picture"], spec].get("answer") for row in runs if (row["picture"], spec) in earlier]
        before = [value for value in before if value is not None]
        rows.append(
            {
                "spec": spec,
                "n": len(runs),
                "input": np.mean([row["input"] for row in runs]),
                "earlier": np.mean(before) if before else None,
                "earlier_n": len(before),
                "answer": np.mean([row["answer"] for row in runs]),
                "gain": gains.mean(),
                "interval": interval(gains),
                "worst": gains.min(),
                "harm": int(
                    sum(g < -0.1 and not row["notes"] and not row["warned"] for g, row in zip(gains, runs, strict=True))
                ),
            }
        )
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prior", default="biggan-cifar10")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--budget", type=int, default=300)
    parser.add_argument("--specs", nargs="*", help="default: all")
    parser.add_argument("--earlier", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    import degradations
    import dgp

    prior, done = dgp.load_prior(options.prior), read(options.output)
    specs = options.specs or [spec for pair in SPECS for spec in pair]
    with options.output.open("a") as file:
        for path in photographs(options.folder, options.count):
            for spec in specs:
                if (path.name, spec) in done:
                    continue
                try:
                    row = restore(path, spec, prior, options.budget)
                except (dgp.DgpError, degradations.DegradationError) as error:
                    row = {"picture": path.name, "spec": spec, "error": str(error)}
                done[path.name, spec] = row
                print(json.dumps(row), file=file, flush=True)
    rows = table(done, read(options.earlier), specs)
    if options.json:
        print(json.dumps(rows))
        return
    names = ("operator", "n", "input", "before", "now", "gain", "95 %", "least", "below without a note")
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for row in rows:
        low, high = row["interval"]
        before = "" if row["earlier"] is None else f"{row['earlier']:.2f}"
        cells = (f"`{row['spec']}`", row["n"], f"{row['input']:.2f}", before, f"{row['answer']:.2f}")
        cells += (f"{row['gain']:+.2f}", f"{low:+.2f} to {high:+.2f}", f"{row['worst']:+.2f}", row["harm"])
        print(f"| {' | '.join(map(str, cells))} |")


if __name__ == "__main__":
    main()

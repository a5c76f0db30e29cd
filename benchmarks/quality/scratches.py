"""Precision and recall of the detection of scratches, creases, dust and tears on photographs.

    python benchmarks/quality/scratches.py photos/ > scratches.json

Each photograph of a folder is damaged by ``degradations.operators.wear`` (scratches, a crease, dust, a torn-off
piece; all together and each alone, and round blobs), and saved as PNG or as JPEG of quality 90. Precision is the
share of the found pixels that lie on damage or next to it, recall the share of the damaged pixels that were found or
lie next to found ones; both are means over pictures. ``find_damage`` is compared with a baseline: top-hat and
bottom-hat filters above a threshold (Otsu's, at least 0.1). The script prints JSON; pictures that the weights were
fitted on (every third) are counted separately. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from pathlib import Path

import numpy as np
from PIL import Image

from degradations import find_damage
from degradations.operators.wear import draw_wear

KINDS = {
    "all": {"scratches": 8, "creases": 1, "dust": 20, "tears": 1},
    "scratches": {"scratches": 8},
    "creases": {"creases": 2},
    "dust": {"dust": 30},
    "blobs": {"blobs": 20},
    "tears": {"tears": 2},
    "none": {},
}


def damage(
    picture: Image.Image, wear: dict[str, int], seed: int, quality: int | None
) -> tuple[Image.Image, np.ndarray]:
    """Return a picture with wear, and the mask of the wear, (H, W) bool; stored as JPEG if a quality is given."""
    mask, paint = draw_wear(picture.size[::-1], seed, **wear)
    over = Image.fromarray(((paint[0, 0] + 1) * 127.5).round().byte().numpy()).convert("RGB")
    result = picture.copy()
    result.paste(over, mask=Image.fromarray(mask[0, 0].numpy()))
    if quality is not None:
        file = io.BytesIO()
        result.save(file, "JPEG", quality=quality)
        result = Image.open(file)
    return result, mask[0, 0].numpy()


def baseline(picture: Image.Image) -> np.ndarray:
    """Detect damage by morphological filters, as textbooks do; (H, W) bool."""
    from scipy import ndimage
    from skimage import filters, morphology

    levels = np.asarray(picture.convert("L")) / 255
    disk = morphology.disk(max(2, round(min(levels.shape) / 110)))
    tops = (
        levels - ndimage.grey_opening(levels, footprint=disk),
        ndimage.grey_closing(levels, footprint=disk) - levels,
    )
    return np.any([top > max(0.1, filters.threshold_otsu(top)) for top in tops], 0)


def detect(picture: Image.Image) -> np.ndarray:
    """Detect damage by `find_damage`; (H, W) bool."""
    return find_damage(picture)[0, 0].numpy()


def scores(found: np.ndarray, truth: np.ndarray) -> dict[str, float | None]:
    """Return precision, recall, and the share of all pixels that are found wrongly, with a tolerance of one pixel."""
    from scipy import ndimage

    def near(mask: np.ndarray) -> np.ndarray:
        return ndimage.binary_dilation(mask, np.ones((3, 3)))

    return {
        "precision": float((found & near(truth)).sum() / found.sum()) if found.any() and truth.any() else None,
        "recall": float((truth & near(found)).sum() / truth.sum()) if truth.any() else None,
        "wrong": float((found & ~near(truth)).mean()),
    }


def mean(rows: list[dict]) -> dict[str, float | None]:
    """Return the mean of each score over the pictures that have it; without found pixels there is no precision."""
    table = {}
    for key in rows[0]:
        values = [row[key] for row in rows if row[key] is not None]
        table[key] = round(float(np.mean(values)), 4) if values else None
    return table | {"pictures": len(rows)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kinds", nargs="+", choices=tuple(KINDS), default=tuple(KINDS))
    parser.add_argument(
        "--quality", type=int, default=None, help="store pictures as JPEG of this quality (default: PNG)"
    )
    parser.add_argument("--step", type=int, default=1, help="use every n-th picture")
    arguments = parser.parse_args()
    paths = sorted(path for path in arguments.folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    methods, seconds = {"found": detect, "top-hat": baseline}, []
    results = {}
    for kind in arguments.kinds:
        rows: dict[str, list[dict]] = {}
        for number, path in list(enumerate(paths))[:: arguments.step]:
            picture, truth = damage(Image.open(path).convert("RGB"), KINDS[kind], number, arguments.quality)
            for method, find in methods.items():
                began = time.process_time()
                found = find(picture)
                seconds += [time.process_time() - began] if method == "found" else []
                group = "fitted on" if number % 3 == 0 else "others"
                rows.setdefault(f"{method}, {group}", []).append(scores(found, truth))
        results[kind] = {name: mean(values) for name, values in rows.items()}
    print(
        json.dumps(
            {"quality": arguments.quality, "results": results, "seconds": round(float(np.median(seconds)), 2)}, indent=1
        )
    )


if __name__ == "__main__":
    main()

"""How much of the damage on photographs is found, and how much of what is found is damage.

    python benchmarks/scratches.py photos/ > scratches.json

Every photograph of a folder is damaged by ``degradations.operators.wear`` (scratches, a crease, dust, a torn-off piece;
all of them together and each alone, and round blobs), and saved as PNG or as JPEG of quality 90. Precision is the share
of the pixels found that lie on damage or next to it, recall the share of the damage that was found or lies next to it;
means over pictures. Beside ``find_damage`` a baseline: top-hat and bottom-hat above a threshold (Otsu's, at least 0.1).
Prints JSON; the pictures that weights were fitted on (every third) are counted apart. See README.md beside this.
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


def damaged(
    picture: Image.Image, wear: dict[str, int], seed: int, quality: int | None
) -> tuple[Image.Image, np.ndarray]:
    """(the picture with the wear on it, (H, W) bool where it is)."""
    mask, paint = draw_wear(picture.size[::-1], seed, **wear)
    over = Image.fromarray(((paint[0, 0] + 1) * 127.5).round().byte().numpy()).convert("RGB")
    spoilt = picture.copy()
    spoilt.paste(over, mask=Image.fromarray(mask[0, 0].numpy()))
    if quality is not None:
        file = io.BytesIO()
        spoilt.save(file, "JPEG", quality=quality)
        spoilt = Image.open(file)
    return spoilt, mask[0, 0].numpy()


def baseline(picture: Image.Image) -> np.ndarray:
    """(H, W) bool: what a textbook would do."""
    from scipy import ndimage
    from skimage import filters, morphology

    levels = np.asarray(picture.convert("L")) / 255
    disk = morphology.disk(max(2, round(min(levels.shape) / 110)))
    tops = (
        levels - ndimage.grey_opening(levels, footprint=disk),
        ndimage.grey_closing(levels, footprint=disk) - levels,
    )
    return np.any([top > max(0.1, filters.threshold_otsu(top)) for top in tops], 0)


def proposed(picture: Image.Image) -> np.ndarray:
    return find_damage(picture)[0, 0].numpy()


def scores(found: np.ndarray, truth: np.ndarray) -> dict[str, float | None]:
    from scipy import ndimage

    def near(mask: np.ndarray) -> np.ndarray:
        return ndimage.binary_dilation(mask, np.ones((3, 3)))

    return {
        "precision": float((found & near(truth)).sum() / found.sum()) if found.any() and truth.any() else None,
        "recall": float((truth & near(found)).sum() / truth.sum()) if truth.any() else None,
        "wrong": float((found & ~near(truth)).mean()),
    }


def mean(rows: list[dict]) -> dict[str, float | None]:
    """Of each number over the pictures that have it; nothing found counts as no precision to speak of."""
    table = {}
    for key in rows[0]:
        values = [row[key] for row in rows if row[key] is not None]
        table[key] = round(float(np.mean(values)), 4) if values else None
    return table | {"pictures": len(rows)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kinds", nargs="+", choices=tuple(KINDS), default=tuple(KINDS))
    parser.add_argument("--quality", type=int, default=None, help="of a JPEG in between; default: PNG")
    parser.add_argument("--step", type=int, default=1, help="every so many pictures")
    arguments = parser.parse_args()
    paths = sorted(path for path in arguments.folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    methods, seconds = {"found": proposed, "top-hat": baseline}, []
    results = {}
    for kind in arguments.kinds:
        rows: dict[str, list[dict]] = {}
        for number, path in list(enumerate(paths))[:: arguments.step]:
            picture, truth = damaged(Image.open(path).convert("RGB"), KINDS[kind], number, arguments.quality)
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

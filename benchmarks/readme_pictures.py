"""Makes the pictures of the README again: python benchmarks/readme_pictures.py"""

from pathlib import Path

from PIL import Image

import dgp

PICTURES = Path(__file__).resolve().parents[1] / "notebooks/pictures"
TASKS = {"gray": "gray", "inpaint": "inpaint:center=1/3", "sr": "sr:4", "chain": "gray+sr:2", "invert": "identity"}


def tiles(*pictures: Image.Image, side: int = 128) -> Image.Image:
    """Side by side, each of the same height, small ones with their pixels visible."""
    shown = [
        p.convert("RGB").resize(
            (side * p.width // p.height, side),
            Image.Resampling.NEAREST if p.height < side else Image.Resampling.LANCZOS,
        )
        for p in pictures
    ]
    sheet = Image.new("RGB", (sum(p.width for p in shown) + 4 * (len(shown) - 1), side), "white")
    left = 0
    for picture in shown:
        sheet.paste(picture, (left, 0))
        left += picture.width + 4
    return sheet


def main():
    prior = dgp.load_prior("biggan-cifar10")
    colour = Image.open(PICTURES / "cat.png")
    result = dgp.restore(PICTURES / "cat-grey.png", "gray", prior, label="cat")
    tiles(Image.open(PICTURES / "cat-grey.png"), result.image, colour, side=256).save(
        PICTURES / "colorize.png", optimize=True
    )
    for name, spec in TASKS.items():
        result = dgp.restore(colour, spec, prior, label="cat", simulate=True)
        tiles(result.observation.picture, result.image).save(PICTURES / f"task-{name}.png", optimize=True)


if __name__ == "__main__":
    main()

"""The table (Markdown) and the gallery (pictures in rows) of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

MOST_ROWS = 100  # of a gallery; the table includes all pictures
CELL, GAP, HEADING = 128, 4, 34

# metric -> (heading, decimals), in the order of the columns; columns without any number are left out.
COLUMNS = {
    "psnr": ("PSNR", 2),
    "ssim": ("SSIM", 3),
    "psnr_unobserved": ("PSNR unobserved", 2),
    "ssim_unobserved": ("SSIM unobserved", 3),
    "lpips": ("LPIPS", 3),
    "perceptual_efficientnet": ("EfficientNet-Lite0 distance", 3),
    "psnr_published": ("PSNR with L* of the original", 2),
    "recognised": ("recognised", 3),
    "true_class": ("probability of its class", 3),
}
COMPARED = ("psnr", "psnr_unobserved", "ssim", "recognised", "true_class")


def table(summary: dict) -> str:
    """Return a summary in Markdown, with a table of means and one of differences for each degradation."""
    first, bootstrap = summary["first"], summary["bootstrap"]
    about = (
        f"n = {summary['n']} pictures, prior {summary['prior']['name']}, class {summary['class']}, seed "
        f"{summary['seed']}, {summary['num_solutions']} solution(s). In brackets the "
        f"{bootstrap['interval']:.0%} bootstrap interval of the mean ({bootstrap['resamples']} resamples); "
        "differences are paired by picture."
    )
    lines = [about, *_judge_lines(summary)]
    for spec, arms in summary["results"].items():
        present = [m for m in COLUMNS if any(m in means for means in arms.values())]
        lines += ["", f"## {spec}", ""]
        lines += _markdown_table(
            ["", *(COLUMNS[m][0] for m in present)],
            [
                [name, *(_format_cell(means.get(m), "mean", COLUMNS[m][1], summary["n"]) for m in present)]
                for name, means in arms.items()
            ],
        )
        compared = [m for m in COMPARED if m in present]
        for reference, gaps in (
            (first, summary["differences"][spec]),
            ("classical", summary["differences_to_classical"][spec]),
        ):
            if not gaps:
                continue
            lines += ["", f"Minus {reference}:", ""]
            lines += _markdown_table(
                ["", *(COLUMNS[m][0] for m in compared)],
                [
                    [name, *(_format_cell(own.get(m), "difference", COLUMNS[m][1], summary["n"]) for m in compared)]
                    for name, own in gaps.items()
                ],
            )
    return "\n".join(lines) + "\n"


def _judge_lines(summary: dict) -> list[str]:
    """Return the paragraph on the judge, or nothing without one."""
    if "judge" not in summary:
        return []
    judge, n = summary["judge"], summary["n"]
    hint = "" if summary["class"] == "auto" else " Recipes are given the class; the baselines are not."
    recognised, probability = (_format_cell(judge["originals"][m], "mean", 3, n) for m in ("recognised", "true_class"))
    return [
        "",
        f"Judge: {judge['name']}, trained on {judge['about']['data']}. It recognises {recognised} of the originals, "
        f"with a mean probability of {probability}; this is the upper bound for answers.{hint}",
    ]


def _markdown_table(head: list[str], rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]


def _format_cell(entry: dict | None, key: str, decimals: int, n: int) -> str:
    if entry is None:
        return "-"
    sign = "+" if key == "difference" else ""
    value, low, high = (f"{entry[part]:{sign}.{decimals}f}" for part in (key, "low", "high"))
    text = f"{value} [{low}, {high}]"
    return text if entry["n"] == n else f"{text} (n = {entry['n']})"


def gallery(names: Sequence[str], rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Return a sheet of pictures, a row for each entry of ``rows``, with names above the columns."""
    width = GAP + (CELL + GAP) * len(names)
    sheet = Image.new("RGB", (width, HEADING + (CELL + GAP) * len(rows)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for column, name in enumerate(names):
        draw.multiline_text(
            (GAP + column * (CELL + GAP), 2), _wrap_name(name, font), fill="black", font=font, spacing=2
        )
    for line, pictures in enumerate(rows):
        for column, picture in enumerate(pictures):
            sheet.paste(_resize_to_cell(picture), (GAP + column * (CELL + GAP), HEADING + line * (CELL + GAP)))
    return sheet


def _resize_to_cell(picture: Image.Image) -> Image.Image:
    if picture.has_transparency_data:
        grey = Image.new("RGBA", picture.size, (128, 128, 128, 255))
        picture = Image.alpha_composite(grey, picture.convert("RGBA"))
    small = max(picture.size) <= CELL
    return picture.convert("RGB").resize((CELL, CELL), Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS)


def _wrap_name(name: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Break a name into at most two lines between words, and cut off what is too long."""
    lines = [""]
    for word in name.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and len(lines) < 2 and font.getlength(longer) > CELL:
            lines.append(word)
        else:
            lines[-1] = longer
    for i, line in enumerate(lines):
        while font.getlength(line) > CELL:
            line = line[:-1]
        lines[i] = line
    return "\n".join(lines)

"""A page that shows every operator at three strengths."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from degradations.core.parameter import Parameter
from degradations.core.registry import describe, find
from degradations.core.spec import parse
from degradations.errors import DegradationError
from degradations.files.pictures import lay_on_gray, round_to_8_bits

GAP, LINE, SMALL, LARGE = 6, 15, 11, 13
INK, PALE = (20, 20, 20), (150, 150, 150)


def strengths(name: str) -> tuple[str, ...]:
    """Return three specs of an operator from weak to strong, or as many as there are.

    They are the class attribute ``strengths`` if it is set, such as ("blur:1", "blur:2", "blur:4"); else the example
    with its first number that has a range halved, unchanged, and doubled; else the example alone.
    """
    cls, example = find(name), describe(name).example
    if cls.strengths is not None:
        return cls.strengths
    shown = parse(example)
    numbers = [p for p in cls.parameters_spec if p.kind in ("float", "int") and (p.plausible or p.bounds)]
    if not numbers or getattr(shown, numbers[0].name) is None:  # the example sets another parameter
        return (example,)
    first = numbers[0]
    written = [part for part in example.partition(":")[2].split(",") if part]
    nameless = [part for part in written[:1] if "=" not in part and first is not cls.parameters_spec[0]]
    kept = [part for part in written if "=" in part and not part.startswith(f"{first.name}=")]
    key = "" if first.required and not kept and not nameless else f"{first.name}="
    texts = [key + first.write(value) for value in _choose_values(first, getattr(shown, first.name))]
    return tuple(dict.fromkeys(f"{name}:{','.join([*nameless, text, *kept])}" for text in texts))


def _choose_values(parameter: Parameter, shown: float) -> list[float]:
    low, high = parameter.plausible or parameter.bounds
    if shown == 0:
        values = [low + share * (high - low) for share in (0.2, 0.5, 0.8)]
    else:
        times = (0.25, 0.5, 1) if shown >= high else (1, 2, 4) if shown <= low else (0.5, 1, 2)
        values = [min(max(factor * shown, low), high) for factor in times]
    return [round(value) if parameter.kind == "int" else float(f"{value:.3g}") for value in values]


def draw(x: Tensor, names: Sequence[str], *, seed: int = 0, side: int = 112, columns: int = 2) -> Image.Image:
    """Draw a page with the results of operators for a picture.

    Args:
        x: (1, 3, H, W) in [-1, 1]. Results that are smaller are enlarged pixel for pixel.
        names: of the operators, each with up to three pictures in a row.
        seed: of whatever is drawn at random.
        side: height and width of a picture on the page, in pixels.
        columns: operators side by side.
    """
    lines = _group_into_lines([(name, strengths(name)) for name in names])
    across = max(sum(len(specs) for _, specs in line) for line in lines)
    cell = (side + GAP, side + LINE + GAP)
    block = (across * cell[0] + 2 * GAP, cell[1] + LINE + 2)
    rows = -(-len(lines) // columns)
    page = Image.new("RGB", (min(columns, len(lines)) * block[0] + GAP, rows * block[1] + GAP), "white")
    cells = _Cells(page, x, seed, side)
    for place, line in enumerate(lines):  # down the first column, then down the next
        left, top = GAP + place // rows * block[0], GAP + place % rows * block[1]
        for name, specs in line:
            title, labels = _make_labels(name, specs)
            font = ImageFont.load_default(LARGE)
            cells.pen.text((left, top), _truncate(title, len(specs) * cell[0], font), INK, font)
            for spec, label in zip(specs, labels, strict=True):
                cells.draw((left, top + LINE + 2), spec, label)
                left += cell[0]
    return page


def _group_into_lines(every: list) -> list[list]:
    """Give operators of several strengths a line of their own, and put three of one strength on one line."""
    single = [one for one in every if len(one[1]) == 1]
    shared = [single[i : i + 3] for i in range(0, len(single), 3)]
    return [*shared, *([one] for one in every if len(one[1]) > 1)]


class _Cells:
    """The pictures of a page, each the observation of x by one operator."""

    def __init__(self, page: Image.Image, x: Tensor, seed: int, side: int):
        self.page, self.pen = page, ImageDraw.Draw(page)
        self.x, self.seed, self.side = x, seed, side
        self.font = ImageFont.load_default(SMALL)

    def draw(self, corner: tuple[int, int], spec: str, label: str) -> None:
        """Draw one observation with its label below; where the operator refuses x, draw the reason."""
        (left, top), side = corner, self.side
        try:
            picture = draw_observation(self.x, spec, self.seed)
        except DegradationError as refusal:
            self.pen.rectangle((left, top, left + side - 1, top + side - 1), outline=PALE)
            self.pen.multiline_text((left + 4, top + 4), _wrap(str(refusal), side - 8, self.font), PALE, self.font)
        else:
            shown = fit_to_square(picture, side)
            self.page.paste(shown, (left + (side - shown.width) // 2, top + (side - shown.height) // 2))
        self.pen.text((left, top + side), _truncate(label, side, self.font), INK, self.font)


def _make_labels(name: str, specs: Sequence[str]) -> tuple[str, list[str]]:
    """Return a title with what all specs have in common, and for each spec the rest."""
    parts = [spec.removeprefix(name).removeprefix(":").split(",") for spec in specs]
    common = [part for part in parts[0] if all(part in other for other in parts)] if len(specs) > 1 else []
    title = f"{name}:{','.join(common)}" if common else name
    return title, [",".join(part for part in one if part not in common) for one in parts]


def draw_observation(x: Tensor, spec: str, seed: int) -> Image.Image:
    """Return the picture that a file of the observation of x would hold.

    Raises:
        DegradationError: the operator refuses x.
    """
    size = tuple(x.shape[-2:])
    operator = parse(spec).build(seed=seed, size=size)
    return operator.picture(operator.simulate(round_to_8_bits(x), torch.Generator().manual_seed(seed)))


def fit_to_square(picture: Image.Image, side: int) -> Image.Image:
    """Fit a picture into a square of a given side, pixel for pixel, with transparent pixels on grey."""
    scale = side / max(picture.size)
    size = tuple(max(1, round(n * scale)) for n in picture.size)
    return lay_on_gray(picture).resize(size, Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BOX)


def _truncate(text: str, width: int, font) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."


def _wrap(text: str, width: int, font) -> str:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(_truncate(word, width, font))
    return "\n".join(lines[:7])

"""Which files belong together, by the names that they were published under."""

from __future__ import annotations

import re
from pathlib import Path

from generators.checkpoints.reading.file_kinds import SUFFIXES, UNPACKED, folder_kind
from generators.errors import UnknownPrior, WeightsError

# In the order of preference: DGP's names, ours, ajbrock's without averaging; HuggingFace's, PULSE's. Optimisers
# (G_optim) are no generators.
GENERATORS = (r"G_ema.*", r".*[-_]G_ema", r"G(?!_optim)(_.*)?", r".*-G", r"(.*-)?pytorch_model", r"synthesis.*")


def find_generator(folder: Path) -> Path:
    """The averaged generator of a folder, else the plain one.

    Raises UnknownPrior when there is none, or several; WeightsError for a folder that holds a network in another form.
    """
    files = sorted(f for f in folder.iterdir() if f.suffix in SUFFIXES)
    for pattern in GENERATORS:
        found = [f for f in files if re.fullmatch(pattern, f.stem)]
        if len({f.stem for f in found}) > 1:
            escape = ", ".join(f.name for f in found)
            raise UnknownPrior(f"{folder} holds several generators ({escape}); name one of them")
        if found:
            return found[0]
    others = [f for f in files if f.stem not in {discriminator_stem(g.stem) for g in files}]
    if len(others) == 1 and others[0].name != UNPACKED:
        return others[0]
    in_another_form = folder_kind(folder)
    if in_another_form is not None:
        what, kind = in_another_form
        raise WeightsError(f"{what}: is {kind.words}; {kind.step}")
    raise UnknownPrior(
        f"{folder}: no generator in it; expected G_ema*.pth or G*.pth, pytorch_model.bin, synthesis.pt, or a "
        "single file of weights"
    )


def find_discriminator(path: Path) -> Path | None:
    """By the published names (`discriminator_stem`); of the same kind of file if there are two."""
    return _find_twin(path, discriminator_stem(path.stem))


def discriminator_stem(stem: str) -> str:
    """G_ema_128 -> D_128, x-G_ema -> x-D, G -> D; of other names x -> x-D."""
    named = re.sub(r"(?<![A-Za-z])G(_ema)?(?![A-Za-z])", "D", stem, count=1)
    return f"{stem}-D" if named == stem else named


def find_mapping(path: Path) -> Path | None:
    """PULSE's: synthesis -> mapping."""
    return _find_twin(path, path.stem.replace("synthesis", "mapping", 1))


def find_config(path: Path) -> Path | None:
    """HuggingFace's: x-pytorch_model.bin -> x-config.json."""
    found = re.fullmatch(r"(.*-)?pytorch_model", path.stem)
    config = path.with_name(f"{found[1] or ''}config.json") if found else None
    return config if config and config.is_file() else None


def _find_twin(path: Path, stem: str) -> Path | None:
    if stem == path.stem:
        return None
    twins = [path.with_name(stem + suffix) for suffix in (path.suffix, *SUFFIXES)]
    return next((twin for twin in twins if twin.is_file()), None)

"""Find the files that belong together (generator, discriminator, mapping network, configuration) by their names."""

from __future__ import annotations

import re
from pathlib import Path

from generators.checkpoints.reading.file_kinds import SUFFIXES, UNPACKED, folder_kind
from generators.errors import UnknownPrior, WeightsError

# In order of preference: DGP's names, ours, ajbrock's without averaging; HuggingFace's, PULSE's. G_optim holds an
# optimiser's state.
GENERATORS = (r"G_ema.*", r".*[-_]G_ema", r"G(?!_optim)(_.*)?", r".*-G", r"(.*-)?pytorch_model", r"synthesis.*")

OPENVINO = "SynthesisNetwork.xml"  # its constants are in a .bin file, which is not read by itself


def find_generator(folder: Path) -> Path:
    """Return the file of the averaged generator in a folder, or else of the plain one.

    Raises:
        UnknownPrior: there is none, or several.
        WeightsError: the folder holds a network in another form.
    """
    if (folder / OPENVINO).is_file():
        return folder / OPENVINO
    files = sorted(f for f in folder.iterdir() if f.suffix in SUFFIXES)
    for pattern in GENERATORS:
        found = [f for f in files if re.fullmatch(pattern, f.stem)]
        if len({f.stem for f in found}) > 1:
            listed = ", ".join(f.name for f in found)
            raise UnknownPrior(f"{folder} holds several generators ({listed}); name one of them")
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
    """Return the discriminator's file beside a generator, by the published names, or None.

    See ``discriminator_stem``. Among several, a file with the same suffix is preferred.
    """
    return _find_twin(path, discriminator_stem(path.stem))


def discriminator_stem(stem: str) -> str:
    """Return the discriminator's name for a generator's: G_ema_128 -> D_128, x-G_ema -> x-D, G -> D; else x -> x-D."""
    named = re.sub(r"(?<![A-Za-z])G(_ema)?(?![A-Za-z])", "D", stem, count=1)
    return f"{stem}-D" if named == stem else named


def find_mapping(path: Path) -> Path | None:
    """Return the file of the mapping network beside PULSE's or MobileStyleGAN's synthesis network, or None."""
    return _find_twin(path, path.stem.replace("synthesis", "mapping", 1).replace("Synthesis", "Mapping", 1))


def find_config(path: Path) -> Path | None:
    """Return HuggingFace's config.json beside pytorch_model.bin (x-config.json beside x-pytorch_model.bin), or None."""
    found = re.fullmatch(r"(.*-)?pytorch_model", path.stem)
    config = path.with_name(f"{found[1] or ''}config.json") if found else None
    return config if config and config.is_file() else None


def _find_twin(path: Path, stem: str) -> Path | None:
    if stem == path.stem:
        return None
    others = () if path.suffix == Path(OPENVINO).suffix else SUFFIXES
    twins = [path.with_name(stem + suffix) for suffix in (path.suffix, *others)]
    return next((twin for twin in twins if twin.is_file()), None)

"""What is fuzzed: for each reader, how a case is made in a folder of its own, and how it is read."""

import contextlib
import io
import json
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz import samples
from tests.fuzz.mutation import NUMBERS, TEXTS, mutate


@dataclass(frozen=True)
class Reader:
    """A reader.

    Attributes:
        make: (folder, source of randomness) -> the input; writes files into the folder.
        read: input -> anything; reads it as the program does.
    """

    make: Callable[[Path, random.Random], object]
    read: Callable[[object], object]


def damaged(data: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """A file as it is (rarely), or damaged."""
    return data if chance.random() < 0.03 else mutate(data, others, chance)


def file_of(good: Callable[[], list[bytes]], name: str):
    def make(folder: Path, chance: random.Random) -> Path:
        others = good()
        (folder / name).write_bytes(damaged(chance.choice(others), others, chance))
        return folder / name

    return make


def text_of(good: Callable[[], list[bytes]]):
    def make(folder: Path, chance: random.Random) -> str:
        others = good()
        return damaged(chance.choice(others), others, chance).decode("utf-8", "surrogateescape")

    return make


def files_of(found: Callable[[], dict[str, bytes]]):
    """A folder of files, one of which is damaged."""

    def make(folder: Path, chance: random.Random) -> Path:
        files = found()
        spoilt = chance.choice(sorted(files))
        for name, data in files.items():
            (folder / name).write_bytes(damaged(data, [data], chance) if name == spoilt else data)
        return folder / next(iter(files))

    return make


def read_picture(path: Path):
    from degradations.jpeg.tables import read_metadata
    from dgp.observation.images import flatten, open_picture, to_tensor

    picture = open_picture(path)
    to_tensor(flatten(picture)[0])
    return picture.pixels_sha256, read_metadata(picture.image), repr(picture)


def read_mask(path: Path):
    from degradations.files.masks import read_mask

    return read_mask(str(path), None), read_mask(str(path), samples.SIZE[::-1])


def read_weight_map(path: Path):
    from dgp.observation.weight_map import open_weight

    return open_weight(path, samples.SIZE).sha256


def read_matrix(path: Path):
    import degradations
    from degradations.files.arrays import read_matrix

    read_matrix(str(path), "kernel", pictures=True)
    return degradations.parse(f'kernel:"{path}"').build().spec


def read_landmarks(path: Path):
    from dgp.faces.landmark_files import read_landmarks

    return [face.record() for face in read_landmarks(path, "photo.png")]


def read_weights(path: Path):
    import generators

    prior = generators.load(path)
    return repr(prior), prior.assumed


def read_recipe(path: Path):
    from dgp.recipes.load import load_recipe

    recipe = load_recipe(str(path))
    return recipe.sha256, repr(recipe)


def read_override(text: str):
    from dgp.recipes.load import load_recipe

    return load_recipe("latent-mse", [text]).sha256


def make_spec(folder: Path, chance: random.Random) -> str:
    """One to three operators, one of which is damaged; or none, since some do not go together."""
    good = samples.specs()
    links = [chance.choice(good) for _ in range(chance.choice((1, 1, 2, 3)))]
    if chance.random() < 0.8:
        links[0] = damaged(links[0], good, chance)
    chance.shuffle(links)
    return b"+".join(links).decode("utf-8", "surrogateescape")


def read_spec(text: str):
    import degradations
    from degradations.core.notebook import make_test_picture

    operator = degradations.parse(text)
    x = make_test_picture((32, 32))
    if operator.unknowns():
        return operator.spec
    built = operator.build(None, 0, (32, 32))
    return degradations.parse(operator.spec).spec, built(x).shape, repr(built)


def read_result(path: Path):
    from dgp.output.run_folder import differences, is_done, read_result
    from dgp.warm_start import load_start

    folder = path.parent
    record = read_result(folder)
    planned = {"degradation": {"spec": "gray", "assets": {"mask": {"sha256": "1"}}}, "seed": 0}
    start = load_start(folder)
    found = differences(record or {}, planned), is_done(folder, planned, overwrite=True), json.dumps(record, indent=2)
    return found, repr(start), start.record()


def read_unit(path: Path):
    from dgp.evaluation.units import Unit

    unit = Unit(path.parent, {"arm": "a", "degradation": "gray", "picture": "a.png"})
    unit.path.parent.mkdir(parents=True)
    path.rename(unit.path)
    unit.picture_path.write_bytes(b"")
    return unit.read()


def read_archive(path: Path):
    from dgp.evaluation.source import Source

    source = Source(path)
    return [repr(one) for one in source.open(source.choose())]


def manifests() -> list[bytes]:
    lines = [
        {"picture": "photo.png", "degradation": "gray", "seed": 3, "class": "cat", "output": "a/b"},
        {"picture": "b.png", "degradation": "sr:4", "mask": "hole.png"},
        {"picture": "c.png"},
    ]
    return [b"\n".join(json.dumps(line).encode() for line in lines), *(json.dumps(line).encode() for line in lines)]


def read_manifest(path: Path):
    """Read a manifest; no unit's folder may lead out of the output folder."""
    from dgp.batch.inputs import number_units
    from dgp.batch.manifest import read_manifest

    units = number_units(read_manifest(str(path), "gray"))
    for unit in units:
        assert (path.parent / unit.folder).resolve().is_relative_to(path.parent), unit.folder
    return [type(unit).from_record(json.loads(json.dumps(unit.record()))) for unit in units]


def read_judge(path: Path):
    from dgp.evaluation.judge import load_judge

    return repr(load_judge(path))


def judges() -> list[bytes]:
    import torch
    from safetensors.torch import save

    from dgp.evaluation.judge import Network

    torch.manual_seed(0)
    about = {"classes": ["a", "b"], "widths": [4, 4, 4], "accuracy": 0.5, "data": "none", "licence": "none"}
    tensors = {name: value.contiguous() for name, value in Network(2, [4, 4, 4]).state_dict().items()}
    return [save(tensors, {"judge": json.dumps(about)})]


def units() -> list[bytes]:
    return [json.dumps({"identity": {"arm": "a", "degradation": "gray", "picture": "a.png"}, "psnr": 20.0}).encode()]


def make_content(folder: Path, chance: random.Random) -> Path:
    """An archive of torch's with a damaged entry, packed anew, so that the archive itself is whole."""
    data = next(iter(samples.weights()["torch archive"].values()))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    name = chance.choice([name for name in entries if name.endswith("data.pkl")] * 9 + sorted(entries))
    entries[name] = damaged(entries[name], [entries[name]], chance)
    (folder / "G.pth").write_bytes(samples.zipped(entries))
    return folder / "G.pth"


def make_name(folder: Path, chance: random.Random) -> Path:
    """A picture, or nothing, under a name that means harm."""
    pieces = [piece for piece in (*TEXTS, *NUMBERS[:-1], b"a", b"photo", b"-o", b"--help") if b"/" not in piece]
    name = b"".join(chance.choice(pieces) for _ in range(chance.randrange(1, 6))) * chance.choice((1, 1, 1, 40))
    path = Path(name.decode("utf-8", "surrogateescape") + chance.choice((".png", ".jpg", "")))
    with contextlib.suppress(OSError, ValueError):  # of a name that no file can have, which must be refused
        (folder / path).write_bytes(chance.choice((samples.encoded("PNG"), b"nothing")))
    return folder / path


def read_name(path: Path):
    """Read a picture, and write and say its name as commands do."""
    from dgp.cli.failures import one_line
    from dgp.files import write_json_atomic
    from dgp.observation.images import open_picture
    from dgp.runs.folders import name_folders

    (stem,) = name_folders([path])
    out = path.parent / "canary-out" / stem
    try:
        picture = open_picture(path)
    except Exception as error:
        assert one_line(error).isprintable()
        raise
    out.mkdir(parents=True)
    write_json_atomic(out / "result.json", {"path": str(path)})
    assert json.loads((out / "result.json").read_bytes().decode("utf-8")) == {"path": str(path)}
    return repr(picture)


READERS = {
    "picture": Reader(file_of(samples.pictures, "photo.png"), read_picture),
    "mask": Reader(file_of(samples.masks, "mask.png"), read_mask),
    "weight map": Reader(file_of(samples.masks, "weight.png"), read_weight_map),
    "matrix": Reader(file_of(samples.matrices, "kernel.npy"), read_matrix),
    "landmarks": Reader(file_of(samples.landmarks, "landmarks.json"), read_landmarks),
    "recipe": Reader(file_of(samples.texts_of_recipes, "mine.toml"), read_recipe),
    "override": Reader(text_of(lambda: samples.OVERRIDES), read_override),
    "spec": Reader(make_spec, read_spec),
    "result folder": Reader(files_of(samples.run_folder), read_result),
    "unit of an evaluation": Reader(file_of(units, "unit.json"), read_unit),
    "archive of pictures": Reader(file_of(samples.archives, "pictures.zip"), read_archive),
    "manifest": Reader(file_of(manifests, "manifest.jsonl"), read_manifest),
    "judge": Reader(file_of(judges, "judge.safetensors"), read_judge),
    "file name": Reader(make_name, read_name),
    "torch archive, content": Reader(make_content, read_weights),
    **{
        f"weights: {kind}": Reader(files_of(lambda kind=kind: samples.weights()[kind]), read_weights)
        for kind in (
            "native safetensors", "safetensors", "torch archive", "torch archive of StyleGAN3", "old torch file",
            "pickle of NVIDIA", "openvino", "huggingface",
        )
    },
}  # fmt: skip

"""Good files of every kind that is read, and hostile ones that need more than damage; all small and made from seeds."""

import functools
import io
import json
import re
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

SIZE = (24, 18)
LANDMARKS = [[5.0, 6.0], [15.0, 6.0], [10.0, 10.0], [6.0, 14.0], [14.0, 14.0]]


def _image(mode="RGB", seed=0):
    random = np.random.default_rng(seed)
    image = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(SIZE, Image.Resampling.BICUBIC)
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    if mode in ("LA", "PA"):
        return image.convert("LA").convert(mode)
    if mode == "LAB":  # a conversion would add a profile with the time of the day
        return Image.merge("LAB", image.split())
    return image.convert(mode)


def encoded(form, mode="RGB", **options):
    file = io.BytesIO()
    _image(mode).save(file, form, **options)
    return file.getvalue()


@functools.cache
def pictures() -> list[bytes]:
    """Every format and mode that is read, animations, files of two kinds at once, and formats that are refused."""
    more = [_image(seed=seed) for seed in (1, 2)]
    exif = Image.Exif()
    exif[0x0112] = 6
    found = [encoded("PNG", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")]
    found += [encoded("JPEG", mode) for mode in ("L", "RGB", "CMYK", "YCbCr")]
    found += [encoded("TIFF", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I", "F")]
    found += [encoded("TIFF", compression=one) for one in ("tiff_lzw", "tiff_deflate", "jpeg", "packbits")]
    found += [encoded("BMP", mode) for mode in ("1", "L", "RGB", "RGBA")]
    found += [encoded("PPM", mode) for mode in ("1", "L", "RGB", "I", "F")]
    found += [encoded("WEBP", lossless=True), encoded("WEBP"), encoded("WEBP", "RGBA"), encoded("GIF", "P")]
    found += [
        encoded("JPEG", progressive=True, exif=exif),
        encoded("PNG", exif=exif),
        encoded("PNG", "P", transparency=0),
    ]
    found += [encoded(form, save_all=True, append_images=more) for form in ("GIF", "PNG", "WEBP", "TIFF")]
    found += [b"P2 3 2 255 0 1 2 3 4 5\n", b"P3 1 1 255 1 2 3\n", b"P1 2 2 0 1 1 0\n"]
    found += [encoded("PNG") + zipped({"a.txt": b"a"}), b"<html>" + encoded("PNG"), encoded("GIF") + b"<script>"]
    found += [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"%PDF-1.7\n", b"8BPS\0\1", b"\0\0\1\0\1\0", b""]
    return found


def zipped(entries: dict[str, bytes], method=zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return file.getvalue()


def archives() -> list[bytes]:
    entries = {"a/1.png": encoded("PNG"), "a/2.jpg": encoded("JPEG"), "../b/3.gif": encoded("GIF")}
    return [zipped(entries, method) for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)]


def masks() -> list[bytes]:
    hole = Image.new("L", SIZE)
    hole.paste(255, (4, 4, 12, 10))
    layer = Image.new("RGBA", SIZE)
    layer.paste((255, 0, 0, 255), (4, 4, 12, 10))
    found = []
    for image, form in ((hole, "PNG"), (layer, "PNG"), (hole.convert("1"), "PNG"), (hole, "TIFF"), (hole, "BMP")):
        file = io.BytesIO()
        image.save(file, form)
        found.append(file.getvalue())
    return [*found, *pictures()]


def matrices() -> list[bytes]:
    found = [encoded("PNG", "L")]
    for array in (np.eye(3), np.ones((2, 2), np.float32), np.arange(6).reshape(2, 3), np.ones((3, 3), bool)):
        file = io.BytesIO()
        np.save(file, array)
        found.append(file.getvalue())
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, np.eye(3))
        found.append(file.getvalue())
    file = io.BytesIO()
    np.save(file, np.array([{}], object), allow_pickle=True)
    return [*found, file.getvalue(), b"1 2 1/2 4 2/1 2 1"]


def landmarks() -> list[bytes]:
    faces = {"landmarks": LANDMARKS, "score": 0.9}
    values = [
        LANDMARKS,
        [LANDMARKS],
        {"faces": [faces]},
        {"pictures": {"photo.png": [faces]}},
        {"photo.png": [LANDMARKS]},
    ]
    line = ",".join(f"{number}" for point in LANDMARKS for number in point)
    return [json.dumps(value).encode() for value in values] + [
        f"{line}\n".encode(),
        f"name,x\nphoto.png,{line}\n".encode(),
    ]


def texts_of_recipes() -> list[bytes]:
    from dgp.recipes.load import _builtin_files

    own = b'extends = "default"\nname = "mine"\n[set]\n"searches.0.count" = 500\n"stages.*.terms.1.weight" = 10.0\n'
    return [own, *(file.read_bytes() for _, file in sorted(_builtin_files().items()))]


OVERRIDES = [
    b"stages.*.lr=0.01", b"searches.0.count=500", b"stages.2.release.groups=\"all\"", b"stages.0.move={z={}}",
    b"variables.z.constraint={kind='sphere'}", b"stages.0.terms=[{kind='mse', weight=2.0}]", b"trunk=discriminator",
    b"accept.below=1e-3", b"space=['w']", b"finish={kind='merge'}", b"stages.0.steps=3", b"budget=100", b"name='a'",
]  # fmt: skip


def specs() -> list[bytes]:
    import degradations

    found = [
        "gray",
        "sr:4",
        "inpaint:center=1/3",
        "gray+sr:2",
        "inpaint:box=1-2-8-9",
        "blur:sigma=auto",
        "blur:sigma=0.5..4",
    ]
    for name in degradations.names():
        one = degradations.describe(name)
        found.append(one.example)
        for parameter in one.parameters:
            values = {"bool": "true", "int": "2", "fraction": "1/3", "box": "1-1-9-9", "text": "x"}
            value = parameter.choices[-1] if parameter.choices else values.get(parameter.kind, "0.5")
            found.append(f"{name}:{parameter.name}={value}")
            if parameter.bounds:
                found += [f"{name}:{parameter.name}={parameter.write(bound)}" for bound in parameter.bounds]
    return [text.encode() for text in found if text and not text.startswith("deepinv")]


def with_sorted_header(data: bytes) -> bytes:
    """A safetensors file whose texts are sorted: the library writes them in an order that differs from run to run."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def with_numbered_storages(data: bytes) -> bytes:
    """An old file of torch whose storages are numbered: torch names them by their addresses, which differ by run."""
    names: dict[bytes, int] = {}
    return re.sub(rb"\d{13,16}", lambda found: b"%0*d" % (len(found[0]), names.setdefault(found[0], len(names))), data)


def run_folder() -> dict[str, bytes]:
    """The files of a result, as far as they are read again."""
    from safetensors.torch import save

    random = torch.Generator().manual_seed(0)
    latents = {"z": torch.randn(2, 20, generator=random), "class": torch.randn(2, 6, generator=random)}
    metadata = {"charts": json.dumps({"z": {"kind": "direct"}}), "prior_sha256": "0" * 64}
    record = {
        "schema": 1, "status": "done", "input": {"path": "a.png", "sha256": "0"}, "seed": 0, "num_solutions": 1,
        "degradation": {"spec": "inpaint:mask=a.png", "assets": {"mask": {"sha256": "1", "path": "a.png"}}},
        "prior": {"sha256": "2"}, "recipe": {"sha256": "3"}, "class_asked": None, "fit": "auto", "faces": None,
    }  # fmt: skip
    return {
        "result.json": json.dumps(record, indent=2).encode(),
        "latents.safetensors": with_sorted_header(save(latents, metadata)),
        "weights.safetensors": save({"linear.bias": torch.zeros(2, 640)}),
    }


@functools.cache
def weights() -> dict[str, dict[str, bytes]]:
    """Kind -> the files of a small network, the first of which is loaded."""
    from safetensors.torch import save

    from generators import convert
    from tests.families import family
    from tests.generators import hf_biggan
    from tests.generators.nvidia_pickles import Network, dumps
    from tests.generators.openvino_files import write_pair
    from tests.generators.stylegan.networks import mobile_stylegan

    def state(name):
        return {key: value.clone() for key, value in family(name).generator.state_dict().items()}

    def in_one_storage(tensors):
        """Several storages would be written in the order of their addresses."""
        flat = torch.cat([tensor.flatten() for tensor in tensors.values()])
        parts = flat.split([tensor.numel() for tensor in tensors.values()])
        return {name: part.view(tensors[name].shape) for name, part in zip(tensors, parts, strict=True)}

    def torch_file(content, **options):
        file = io.BytesIO()
        torch.save(content, file, **options)
        return file.getvalue()

    def module(tensors, class_name="Module", **more):
        inner = {}
        for name, tensor in tensors.items():
            first, _, rest = name.partition(".")
            inner.setdefault(first, {})[rest] = tensor
        own = {name: found[""] for name, found in inner.items() if "" in found}
        modules = {name: module(found) for name, found in inner.items() if "" not in found}
        return Network(class_name, buffers=own, modules=modules, **more)

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        convert(family("biggan"), folder / "own.safetensors")
        own = with_sorted_header((folder / "own.safetensors").read_bytes())
        write_pair(mobile_stylegan(), folder)
        graph = {path.name: path.read_bytes() for path in sorted(folder.glob("*Network.*"), reverse=True)}
    graph = {"SynthesisNetwork.xml": graph.pop("SynthesisNetwork.xml"), **graph}
    return {
        "native safetensors": {"G.safetensors": own},
        "safetensors": {"G.safetensors": save(state("biggan"))},
        "torch archive": {"G.pth": torch_file(state("biggan"))},
        "torch archive of StyleGAN3": {"G.pt": torch_file({"g_ema": state("stylegan3")})},
        "old torch file": {
            "G.pth": with_numbered_storages(
                torch_file(in_one_storage(state("biggan")), _use_new_zipfile_serialization=False)
            )
        },
        "pickle of NVIDIA": {
            "G.pkl": with_numbered_storages(dumps({"G_ema": module(state("stylegan2"), "Generator")}))
        },
        "openvino": graph,
        "huggingface": {
            "pytorch_model.bin": torch_file(hf_biggan.tensors()),
            "config.json": json.dumps(hf_biggan.CONFIG).encode(),
        },
    }

"""The id of a unit of work: a hash of everything that the result of one picture depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dgp.errors import InputError
from dgp.files import sha256_of
from dgp.runs.settings import RunSettings

if TYPE_CHECKING:
    from degradations import Degradation
    from dgp.recipes.schema import Recipe
    from generators import Prior

START_FILES = ("latents.safetensors", "weights.safetensors")


@dataclass(frozen=True)
class Method:
    """What all units of a call have in common, by hash.

    Attributes:
        generator: sha256 of the generator's file.
        discriminator: sha256 of the discriminator's tensors; None without one.
        recipe: sha256 of the recipe with the changes of the call.
        plugins: sha256 of the plugin files, in their order.
        version: of dgp.
    """

    generator: str
    discriminator: str | None
    recipe: str
    plugins: tuple[str, ...]
    version: str

    @classmethod
    def of(cls, prior: Prior, recipe: Recipe, plugins: tuple[dict, ...]) -> Method:
        """Return the method of a prior, a recipe and the entries of the plugins (``load_plugins``)."""
        import dgp

        files = tuple(plugin["sha256"] for plugin in plugins)
        return cls(prior.sha256, hash_discriminator(prior), recipe.sha256, files, dgp.__version__)

    def record(self) -> dict[str, Any]:
        """Return the method as a JSON object."""
        return asdict(self) | {"plugins": list(self.plugins)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Method:
        """Return the method of a JSON object that ``record`` returned."""
        return cls(**{**record, "plugins": tuple(record["plugins"])})


def hash_discriminator(prior: Prior) -> str | None:
    """Return the sha256 of the tensors of a prior's discriminator, or None without one."""
    return None if prior.discriminator is None else hash_tensors(prior.discriminator.state_dict())


def hash_tensors(tensors: Mapping[str, Any]) -> str:
    """Return the sha256 of named tensors: names, types, shapes and values."""
    from dgp.checkpoint.tree import bytes_of

    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)};".encode())
        digest.update(bytes_of(value))
    return digest.hexdigest()


def describe_degradation(operator: Degradation) -> str:
    """Return the spec of an operator in which the sha256 of each file stands in the place of its name."""
    text = operator.spec
    for link in operator.operators():
        for parameter in link.parameters_spec:
            value = getattr(link, parameter.name)
            if isinstance(value, str) and value and _is_file(value):
                text = text.replace(parameter.write(value), f"sha256-{_hash_file(value)}")
    return text


def describe_spec(spec: str | None) -> str | None:
    """Return ``describe_degradation`` of a spec; "auto" and None as they are."""
    import degradations

    return spec if spec in (None, "auto") else describe_degradation(degradations.parse(spec))


def describe_inputs(picture: str, settings: RunSettings, method: Method, degradation: str) -> dict[str, Any]:
    """Return everything that a unit's result depends on, as a JSON object. No path is in it.

    Args:
        picture: sha256 of the picture's bytes.
        settings: the settings of the unit, with `start` the folder of its own start.
        method: the method.
        degradation: ``describe_degradation`` of the operator, or "auto".
    """
    faces = settings.align != "none"
    return {
        "picture": picture,
        "degradation": degradation,
        "method": method.record(),
        "class": settings.label,
        "seed": settings.seed,
        "num_solutions": settings.num_solutions,
        "fit": settings.fit,
        "weight": settings.weight and _hash_file(settings.weight),
        "align": settings.align,
        "landmarks": _hash_file(settings.landmarks) if faces and settings.landmarks else None,
        "detector": settings.detector if faces and not settings.landmarks else None,
        "simulate": settings.simulate,
        "simulate_at": settings.simulate_at if settings.simulate else None,
        "truth": describe_spec(settings.truth),
        "start": settings.start and _hash_start(Path(settings.start)),
    }


def unit_id(picture: str, settings: RunSettings, method: Method, degradation: str) -> str:
    """Return the id of a unit: the sha256 of ``describe_inputs``, whose arguments it takes."""
    inputs = describe_inputs(picture, settings, method, degradation)
    return hashlib.sha256(json.dumps(inputs, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def _hash_start(folder: Path) -> dict[str, str]:
    found = {name: _hash_file(str(folder / name)) for name in START_FILES if (folder / name).is_file()}
    if not found:
        raise InputError(f"{folder} holds no result to start from; a start is the folder of a run, such as out/photo")
    return found


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long for a name, or with a zero byte
        return False


def _hash_file(path: str) -> str:
    try:
        return sha256_of(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read: {reason}; check its name and permissions") from error

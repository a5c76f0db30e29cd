"""Warm starts: a run that starts where an earlier one ended, or at the latents of an encoder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from dgp.checkpoint.tree import bytes_of
from dgp.engine.initial_rows import RowSource
from dgp.errors import InputError
from dgp.files import parse_json
from dgp.output.restoration import VARIABLE, Restoration
from dgp.rendering.renderer import Renderer
from dgp.variables.operator_parameters import is_operator_parameter
from dgp.variables.parametrizations import (
    LATENT_SPACES,
    PARAMETRIZATIONS,
    Parametrization,
    default_parametrization,
)
from dgp.variables.rows import Rows, concatenate
from generators.safetensors_files import read_safetensors
from generators.text import format_shapes, pluralise, shorten

FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
Encoder = Callable[[Tensor], dict[str, Tensor]]


@dataclass(frozen=True, eq=False)
class Start:
    """Where the S answers to one picture start.

    Attributes:
        inputs: inputs of the generator by name, each (S, ...), the best answer first.
        variables: values that were optimised in the place of inputs, by name, each (S, ...).
        weights: released parameters by name, each (S, ...).
        parametrizations: how the variables give their inputs.
        prior_sha256: sha256 of the prior; "": not known.
        path: the folder that it was read from, or None.
    """

    inputs: dict[str, Tensor]
    variables: dict[str, Tensor] = field(default_factory=dict)
    weights: dict[str, Tensor] = field(default_factory=dict)
    parametrizations: Mapping[str, Parametrization] = field(default_factory=dict)
    prior_sha256: str = ""
    path: str | None = None

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All tensors by the names that files give them."""
        variables = {f"{VARIABLE}{name}": value for name, value in self.variables.items()}
        return self.inputs | variables | self.weights

    def answer(self, number: int, device: torch.device) -> Start:
        """Return the start of one answer, (1, ...), on a device."""
        inputs, variables, weights = (
            {name: value.detach()[number : number + 1].to(device) for name, value in table.items()}
            for table in (self.inputs, self.variables, self.weights)
        )
        return Start(inputs, variables, weights, self.parametrizations)

    def record(self) -> dict:
        """Return its path and the sha256 of its contents, as a result holds them."""
        digest = hashlib.sha256()
        for name, value in sorted(self.tensors.items()):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(bytes_of(value))
        return {"path": self.path, "sha256": digest.hexdigest()}

    def __repr__(self) -> str:
        where, more = self.path or "tensors", pluralise(len(self.weights), "released tensor")
        return shorten(
            f"Start from {where}: inputs {format_shapes(self.inputs)}; "
            f"variables {format_shapes(self.variables)}; {more}"
        )


Source = Start | Restoration | str | os.PathLike


def load_start(source: Source) -> Start:
    """Return the start at an earlier Restoration, or at the folder of one.

    Raises:
        InputError: the folder holds no readable run.
    """
    if isinstance(source, Start):
        return source
    if isinstance(source, Restoration):
        return Start(
            inputs=source.latents,
            variables=source.variables,
            weights=source.weights,
            parametrizations=source.recipe.parametrizations,
            prior_sha256=source.prior.sha256,
        )
    folder = Path(source)
    latents, metadata = _read_tensors(folder / "latents.safetensors")
    weights = _read_tensors(folder / "weights.safetensors")[0] if (folder / "weights.safetensors").exists() else {}
    try:
        charts = parse_json(metadata.get("charts", "{}"))
        parametrizations = {name: PARAMETRIZATIONS.parse(chart) for name, chart in charts.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{folder}: its variables cannot be read ({error}); run it again") from None
    return Start(
        inputs={name: value for name, value in latents.items() if not name.startswith(VARIABLE)},
        variables={n.removeprefix(VARIABLE): value for n, value in latents.items() if n.startswith(VARIABLE)},
        weights=weights,
        parametrizations=parametrizations,
        prior_sha256=metadata.get("prior_sha256", ""),
        path=str(folder),
    )


def _read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors, finite floats (S, ...), and the metadata of a safetensors file of a run."""
    try:
        tensors, metadata = read_safetensors(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"{path} cannot be read ({reason}); a start is the folder of a run, such as out/photo"
        ) from None
    for name, value in tensors.items():
        if value.dtype not in FLOATS or not value.ndim:
            found = f"{value.dtype} {tuple(value.shape)}"
            raise InputError(f"{path}: {name} is {found}, expected floats (S, ...); run it again")
        if not torch.isfinite(value).all():
            raise InputError(f"{path}: {name} holds NaN or Infinity, expected finite numbers; run it again")
    return tensors, metadata


def find_starts(
    start: Source | Sequence[Source] | Encoder | Mapping[str, Tensor], source: RowSource, renderer: Renderer
) -> list[Start]:
    """Return one start for each picture.

    Args:
        start: a Restoration or the folder of one, or a sequence with one for each picture; an encoder, called once with
            the lifted observations (P, 3, R, R) in [-1, 1], which returns the generator's inputs by name, each
            (P, ...); or the variables by name, each (P * num_solutions, ...).
        source: the run.
        renderer: of the run.

    Raises:
        InputError: it does not fit the pictures or the prior.
    """
    pictures, answers = len(source.observations), source.num_solutions
    if isinstance(start, Mapping):
        _check_variables(start, source)
        parts = [slice(picture * answers, (picture + 1) * answers) for picture in range(pictures)]
        return [_start_at_variables({name: value[part] for name, value in start.items()}, renderer) for part in parts]
    if callable(start):
        with torch.no_grad():
            latents = start(renderer.batch.lifted)
        if {len(value) for value in latents.values()} != {pictures}:
            got = {name: tuple(value.shape) for name, value in latents.items()}
            raise InputError(f"the encoder gave {got}, expected a row for each of {pictures} pictures")
        return [
            Start({n: v[p : p + 1].expand(answers, *v.shape[1:]) for n, v in latents.items()}) for p in range(pictures)
        ]
    return [load_start(one) for one in source_of_each(start, pictures)]


def source_of_each(given: Source | Sequence[Source] | None, pictures: int) -> list[Source | None]:
    """Return a source for each picture, None where none is given.

    Raises:
        InputError: there are more or fewer sources than pictures.
    """
    if given is None:
        return [None] * pictures
    sources = [given] if isinstance(given, Source) else list(given)
    if len(sources) != pictures:
        raise InputError(f"got {len(sources)} starts for {pictures} pictures; give one for each")
    return sources


def start_rows(starts: Sequence[Start], source: RowSource) -> Rows:
    """Return the rows of a run at its starts, one for each answer, with released weights.

    Raises:
        InputError: a start is of another network, or in latents in which the recipe does not start.
    """
    found = []
    device = source.prior.generator.device
    for picture, start in enumerate(starts):
        _check_start(start, source)
        for answer in range(source.num_solutions):
            one = start.answer(answer, device)
            rows = source.rows(picture, answer, _start_values(one, picture, answer, source))
            rows.weights = one.weights
            found.append(rows.take(torch.tensor([0])))
    if any(rows.values.keys() != found[0].values.keys() for rows in found):
        names = " and ".join(dict.fromkeys(", ".join(sorted(rows.values)) for rows in found))
        raise InputError(f"got starts with {names}; expected the same variables for all pictures; run them one by one")
    # A layer that only some pictures have released starts at the prior's own weights in the others.
    parameters = dict(source.prior.generator.named_parameters())
    for name in dict.fromkeys(name for rows in found for name in rows.weights):
        for rows in found:
            rows.weights.setdefault(name, parameters[name].detach()[None].clone())
    return concatenate(found)


@torch.no_grad()
def _start_at_variables(values: dict[str, Tensor], renderer: Renderer) -> Start:
    """Return the start at variables of this run's own recipe."""
    inputs = renderer.latents({n: v.detach().to(renderer.prior.generator.device) for n, v in values.items()})
    variables = {n: v for n, v in values.items() if n not in inputs or not torch.equal(inputs[n], v.to(inputs[n]))}
    return Start(inputs, variables, parametrizations=renderer.parametrizations)


def _check_variables(values: Mapping[str, Tensor], source: RowSource) -> None:
    count = len(source.observations) * source.num_solutions
    latents = source.prior.generator.info.latents
    expected = {s.name: (count, *s.shape) for s in latents if s.sampled}
    lacking = expected.keys() - values.keys() and not {s.name for s in latents if not s.sampled} & values.keys()
    if lacking or any(len(v) != count for v in values.values()):
        got = {name: tuple(v.shape) for name, v in values.items()}
        raise InputError(f"got start={got}, expected {expected}: a row for each solution of each picture")


def _check_start(start: Start, source: RowSource) -> None:
    """Raise InputError unless the start is of this network, and has as many rows as there are answers."""
    prior, where = source.prior, f"the start {start.path}" if start.path else "the start"
    if start.prior_sha256 and prior.sha256 and start.prior_sha256 != prior.sha256:
        raise InputError(
            f"{where} is of a prior with sha256 {start.prior_sha256[:12]}..., and {prior.name!r} has "
            f"{prior.sha256[:12]}...; use the prior that made it"
        )
    format_shapes = {spec.name: spec.shape for spec in prior.generator.info.latents}
    parameters = {name: tuple(value.shape) for name, value in prior.generator.named_parameters()}
    if strange := sorted(start.weights.keys() - parameters.keys()):
        raise InputError(f"{where} has weights {strange[0]!r}, which {prior.name!r} lacks; use the prior that made it")
    for name, value in start.tensors.items():
        shape = (parameters if name in start.weights else format_shapes).get(name, tuple(value.shape[1:]))
        if tuple(value.shape[1:]) != tuple(shape):
            raise InputError(
                f"{where} has {name} of {tuple(value.shape[1:])}, expected {tuple(shape)}; it must be of this prior"
            )
        if len(value) < source.num_solutions:
            raise InputError(
                f"{where} has {len(value)} solutions, and {source.num_solutions} are asked for; ask for no more than "
                "it has"
            )


@torch.no_grad()
def _start_values(start: Start, picture: int, answer: int, source: RowSource) -> dict[str, Tensor]:
    """Return the variables (1, ...) of a row that starts at ``start``, which is of one answer."""
    info, space, inputs = source.prior.generator.info, source.space, start.inputs
    random = source.stream(picture, answer, "warm")
    sampled = {spec.name for spec in info.latents if spec.sampled}
    if "class" in sampled and "z" in inputs and "class" not in inputs:
        label = source.observations[picture].label
        if label is None:
            raise InputError("got a start without a class; include one, or name the picture's (--class)")
        inputs = inputs | {"class": source.prior.generator.embed(torch.tensor([label]))}
    named = source.parametrizations
    variables = {
        name: value for name, value in start.variables.items() if name in named or not is_operator_parameter(name)
    }
    owners = [name for name, one in start.parametrizations.items() if variables.keys() & set(one.provides(name, info))]
    same = all(named.get(name) == start.parametrizations[name] for name in owners)
    begins = named.get(space, default_parametrization(space)).provides(space, info)
    if variables and same and set(begins) <= (inputs | variables).keys():
        return source.add_auxiliary(inputs | variables, picture, 1, random)
    held = [name for name in inputs if name in LATENT_SPACES or name.startswith("feature@")]
    rank = lambda name: LATENT_SPACES.index(name) if name in LATENT_SPACES else len(LATENT_SPACES)  # noqa: E731
    widest = max(held, key=rank, default="nothing")
    if widest not in LATENT_SPACES or space not in LATENT_SPACES[LATENT_SPACES.index(widest) :]:
        raise InputError(
            f"got a start in {widest}, and the recipe begins in {space}; use the recipe that made it, or set space"
        )
    return source.start_at(inputs, picture, 1, random)

"""Warm starts: a run that begins where an earlier one ended, or where an encoder says."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from dgp.engine.evaluator import Problem
from dgp.errors import InputError
from dgp.output.restoration import BEHIND, Restoration
from dgp.planning.adapt import WIDER
from dgp.variables.operator_parameters import is_unknown
from dgp.variables.parametrizations import CHARTS, Chart, default_chart
from dgp.variables.rows import Rows, joined, stream
from generators.text import format_shapes, pluralise, shorten

Encoder = Callable[[Tensor], dict[str, Tensor]]


@dataclass(frozen=True, eq=False)
class Start:
    """Where the answers to one picture begin.

    inputs: of the generator, by name, each (S, ...), the best first.
    variables: what was optimised in place of inputs, by name, each (S, ...); ``charts`` say how it gives them.
    weights: released parameters by name, each (S, ...).
    prior_sha256: whose they are; "" where that is not known.  path: the folder they were read from, or None.
    """

    inputs: dict[str, Tensor]
    variables: dict[str, Tensor] = field(default_factory=dict)
    weights: dict[str, Tensor] = field(default_factory=dict)
    charts: Mapping[str, Chart] = field(default_factory=dict)
    prior_sha256: str = ""
    path: str | None = None

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All of them, by the names that files give them."""
        return self.inputs | {f"{BEHIND}{name}": value for name, value in self.variables.items()} | self.weights

    def record(self) -> dict:
        """What a result says of it: path, and the sha256 of its contents."""
        digest = hashlib.sha256()
        for name, value in sorted(self.tensors.items()):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return {"path": self.path, "sha256": digest.hexdigest()}

    def __repr__(self) -> str:
        where, more = self.path or "tensors", pluralise(len(self.weights), "released tensor")
        return shorten(
            f"Start from {where}: inputs {format_shapes(self.inputs)}; variables {format_shapes(self.variables)}; {more}"
        )


Source = Start | Restoration | str | os.PathLike


def start_of(source: Source) -> Start:
    """Of an earlier Restoration, or of the folder of one. Raises InputError, one line."""
    if isinstance(source, Start):
        return source
    if isinstance(source, Restoration):
        return Start(source.latents, source.variables, source.weights, source.recipe.charts, source.prior.sha256)
    folder = Path(source)
    latents, about = _tensors(folder / "latents.safetensors")
    weights = _tensors(folder / "weights.safetensors")[0] if (folder / "weights.safetensors").exists() else {}
    try:
        charts = {name: CHARTS.parse(chart) for name, chart in json.loads(about.get("charts", "{}")).items()}
    except (ValueError, AttributeError) as error:
        raise InputError(f"{folder}: its variables cannot be read ({error}); run it again") from None
    inputs = {name: value for name, value in latents.items() if not name.startswith(BEHIND)}
    behind = {name.removeprefix(BEHIND): value for name, value in latents.items() if name.startswith(BEHIND)}
    return Start(inputs, behind, weights, charts, about.get("prior_sha256", ""), str(folder))


def _tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path} cannot be read ({error}); a start is the folder of a run, such as out/photo"
        ) from None


def starts_of(given: Source | Sequence[Source] | Encoder | Mapping[str, Tensor], problem: Problem) -> list[Start]:
    """One for each picture.

    given: a Restoration or the folder of one, or a sequence with one for each picture; an encoder, called once with
    the lifted observations (P, 3, R, R) in [-1, 1], which gives the generator's inputs by name, each (P, ...); or the
    variables by name, each (P * num_solutions, ...).

    Raises InputError.
    """
    pictures = len(problem.keys)
    if isinstance(given, Mapping):
        _check_variables(given, problem)
        at = [slice(picture * problem.answers, (picture + 1) * problem.answers) for picture in range(pictures)]
        return [_in_variables({name: value[part] for name, value in given.items()}, problem) for part in at]
    if callable(given):
        with torch.no_grad():
            latents = given(problem.targets.lifted)
        if {len(value) for value in latents.values()} != {pictures}:
            got = {name: tuple(value.shape) for name, value in latents.items()}
            raise InputError(f"the encoder gave {got}, expected a row for each of {pictures} pictures")
        return [
            Start({n: v[p : p + 1].expand(problem.answers, *v.shape[1:]) for n, v in latents.items()})
            for p in range(pictures)
        ]
    return [start_of(source) for source in source_of_each(given, pictures)]


def source_of_each(given: Source | Sequence[Source] | None, pictures: int) -> list[Source | None]:
    """Return a source for each picture, None where none is given. Raises InputError for another number of them."""
    if given is None:
        return [None] * pictures
    sources = [given] if isinstance(given, Source) else list(given)
    if len(sources) != pictures:
        raise InputError(f"got {len(sources)} starts for {pictures} pictures; give one for each")
    return sources


@torch.no_grad()
def _in_variables(values: dict[str, Tensor], problem: Problem) -> Start:
    """A start in the variables of this run's own recipe."""
    inputs = problem.charted.latents({n: v.detach().to(problem.prior.generator.device) for n, v in values.items()})
    behind = {n: v for n, v in values.items() if n not in inputs or not torch.equal(inputs[n], v.to(inputs[n]))}
    return Start(inputs, behind, charts=problem.charts)


def _check_variables(given: Mapping[str, Tensor], problem: Problem) -> None:
    count = len(problem.keys) * problem.answers
    latents = problem.prior.generator.info.latents
    expected = {s.name: (count, *s.shape) for s in latents if s.sampled}
    lacking = expected.keys() - given.keys() and not {s.name for s in latents if not s.sampled} & given.keys()
    if lacking or any(len(v) != count for v in given.values()):
        got = {name: tuple(v.shape) for name, v in given.items()}
        raise InputError(f"got start={got}, expected {expected}: a row for each solution of each picture")


def rows_from(starts: Sequence[Start], problem: Problem) -> Rows:
    """The rows of a run that begins there, a row for each answer, released weights with them.

    Raises InputError for a start of another network, or in latents that the recipe does not begin in.
    """
    found = []
    device = problem.prior.generator.device
    for picture, start in enumerate(starts):
        _check(start, problem)
        for answer in range(problem.answers):
            inputs, variables, weights = (
                {name: value.detach()[answer : answer + 1].to(device) for name, value in table.items()}
                for table in (start.inputs, start.variables, start.weights)
            )
            values = _values(inputs, variables, start.charts, picture, answer, problem)
            rows = Rows(torch.tensor([picture]), torch.tensor([answer]), values, weights)
            found.append(rows.take(torch.tensor([0])))
    if any(rows.values.keys() != found[0].values.keys() for rows in found):
        names = " and ".join(dict.fromkeys(", ".join(sorted(rows.values)) for rows in found))
        raise InputError(f"got starts with {names}; expected the same variables for all pictures; run them one by one")
    # A layer that only some pictures have released moves on from the prior's own weights in the others.
    parameters = dict(problem.prior.generator.named_parameters())
    for name in dict.fromkeys(name for rows in found for name in rows.weights):
        for rows in found:
            rows.weights.setdefault(name, parameters[name].detach()[None].clone())
    return joined(found)


def _check(start: Start, problem: Problem) -> None:
    """InputError unless the start is of this network, and has as many rows as there are answers."""
    prior, where = problem.prior, f"the start {start.path}" if start.path else "the start"
    if start.prior_sha256 and prior.sha256 and start.prior_sha256 != prior.sha256:
        raise InputError(
            f"{where} is of a prior with sha256 {start.prior_sha256[:12]}..., and {prior.name!r} has "
            f"{prior.sha256[:12]}...; use the prior that made it"
        )
    shapes = {spec.name: spec.shape for spec in prior.generator.info.latents}
    parameters = {name: tuple(value.shape) for name, value in prior.generator.named_parameters()}
    if strange := sorted(start.weights.keys() - parameters.keys()):
        raise InputError(f"{where} has weights {strange[0]!r}, which {prior.name!r} lacks; use the prior that made it")
    for name, value in start.tensors.items():
        shape = (parameters if name in start.weights else shapes).get(name, tuple(value.shape[1:]))
        if tuple(value.shape[1:]) != tuple(shape):
            raise InputError(
                f"{where} has {name} of {tuple(value.shape[1:])}, expected {tuple(shape)}; it must be of this prior"
            )
        if len(value) < problem.answers:
            raise InputError(
                f"{where} has {len(value)} solutions, and {problem.answers} are asked for; ask for no more than it has"
            )


@torch.no_grad()
def _values(
    inputs: dict[str, Tensor],
    behind: dict[str, Tensor],
    charts: Mapping[str, Chart],
    picture: int,
    answer: int,
    problem: Problem,
) -> dict[str, Tensor]:
    """The variables (1, ...) at which an answer begins."""
    info, space = problem.prior.generator.info, problem.space
    random = stream(problem.seed, f"{problem.keys[picture]} warm", answer)
    sampled = {spec.name for spec in info.latents if spec.sampled}
    if "class" in sampled and "z" in inputs and "class" not in inputs:
        label = problem.targets.observations[picture].label
        if label is None:
            raise InputError("got a start without a class; include one, or name the picture's (--class)")
        inputs = inputs | {"class": problem.prior.generator.embed(torch.tensor([label]))}
    behind = {name: value for name, value in behind.items() if name in problem.charts or not is_unknown(name)}
    owners = [name for name, chart in charts.items() if behind.keys() & set(chart.provides(name, info))]
    same = all(problem.charts.get(name) == charts[name] for name in owners)
    begins = problem.charts.get(space, default_chart(space)).provides(space, info)
    if behind and same and set(begins) <= (inputs | behind).keys():
        return problem.accompanied(inputs | behind, picture, 1, random)
    held = [name for name in inputs if name in WIDER or name.startswith("feature@")]
    widest = max(held, key=lambda name: WIDER.index(name) if name in WIDER else len(WIDER), default="nothing")
    if widest not in WIDER or space not in WIDER[WIDER.index(widest) :]:
        raise InputError(
            f"got a start in {widest}, and the recipe begins in {space}; use the recipe that made it, or set space"
        )
    return problem.placed(inputs, picture, 1, random)

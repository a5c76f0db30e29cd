"""Pictures to explain and the prior that shall explain them: how rows begin, become pictures, and pictures scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.func import functional_call

from dgp.errors import RecipeError
from dgp.losses.objective import Score, passes, score
from dgp.losses.prediction import Targets, View
from dgp.losses.terms import Term
from dgp.random_streams import Streams
from dgp.variables.constraints import Constraint
from dgp.variables.operator_parameters import Guess, guesses
from dgp.variables.parametrizations import Chart, default_chart
from dgp.variables.rows import Rows, stream
from generators import Prior
from generators.text import pluralise


def one_by_one(tensors: dict[str, Tensor], split: bool = False) -> Iterator[dict[str, Tensor]]:
    """The rows of each tensor (N, ...), in turn; with ``split`` they keep a leading axis of 1.

    Unbinding at once lets the backward pass assemble each gradient in a single write; a single row needs none.
    """
    if not split and all(len(t) == 1 for t in tensors.values()):
        return iter([{name: t.squeeze(0) for name, t in tensors.items()}])
    rows = zip(*(t.split(1) if split else t.unbind() for t in tensors.values()), strict=True)
    return (dict(zip(tensors, row, strict=True)) for row in rows)


class Charted(nn.Module):
    """The generator behind the charts of the variables, so that ``functional_call`` reaches whatever reads weights."""

    def __init__(self, prior: Prior, charts: Mapping[str, Chart]):
        super().__init__()
        self.generator = prior.generator
        self._prior, self._charts = prior, dict(charts)
        provided = (chart.provides(name, prior.generator.info) for name, chart in self._charts.items())
        self._owned = {value for values in provided for value in values}

    def latents(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """The generator's inputs, each (N, ...), of the variables (N, ...)."""
        latents = {name: value for name, value in values.items() if name not in self._owned}
        for name, chart in self._charts.items():
            if name in values:
                latents |= chart.latents(name, values, self._prior)
        return latents

    def picture(self, values: dict[str, Tensor]) -> Tensor:
        return self.generator(self.latents(values))

    def generated(self, latents: dict[str, Tensor]) -> Tensor:
        return self.generator(latents)

    def norms(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        return self.generator.capture_norm(self.latents(values))

    def converted(self, values: dict[str, Tensor], chart: str) -> dict[str, Tensor]:
        """The variables at the same picture, its latents in a wider chart."""
        before = self.latents(values)
        after = self.generator.convert(before, chart)
        beside = {v for n, one in self._charts.items() if one.accompanies for v in one.provides(n, self.generator.info)}
        kept = {name: value for name, value in values.items() if name in after or name in beside}
        inverse = {name: one.inverse for name, one in self._charts.items()}
        gained = {name: value for name, value in after.items() if name not in kept}
        return kept | {n: inverse[n](v, self._prior) if n in inverse else v for n, v in gained.items()}

    def forward(self, what: str, *arguments):
        return getattr(self, what)(*arguments)


class Evaluations:
    """How often a row was rendered, how often a gradient went back through it, and what that cost: a pass forward
    through a network counts 1, forward and backward 3; the networks of the terms count as the generator does.

    Counted for each picture; ``forward``, ``backward`` and ``cost`` are the sums.  tell: called with the cost whenever
    it has grown.
    """

    KINDS = ("forward", "backward", "cost")

    def __init__(self, pictures: int):
        self._counts = torch.zeros(3, pictures, dtype=torch.long)
        self.tell: Callable[[int], None] = lambda cost: None

    def rendered(self, pictures: Tensor) -> None:
        """A pass of the generator: a picture for each of ``pictures`` (n,)."""
        self._counts[0] += pictures.bincount(minlength=self._counts.shape[1])
        if torch.is_grad_enabled():
            self._counts[1] += pictures.bincount(minlength=self._counts.shape[1])

    def passed(self, pictures: Tensor, networks: int) -> None:
        """A pass of rows that explain ``pictures`` (n,) through so many networks."""
        each = networks * (3 if torch.is_grad_enabled() else 1)
        self._counts[2] += each * pictures.bincount(minlength=self._counts.shape[1])
        self.tell(self.cost)

    def of(self, picture: int) -> dict[str, int]:
        return dict(zip(self.KINDS, self._counts[:, picture].tolist(), strict=True))

    forward, backward, cost = (property(lambda self, kind=kind: int(self._counts[kind].sum())) for kind in range(3))

    def __repr__(self) -> str:
        return f"Evaluations: {self.forward} forward, {self.backward} backward, cost {self.cost}"


@dataclass
class Problem:
    """What search and stages share: targets, prior, charts, seeds, and the count of evaluations.

    space: the latents in which rows begin.  charts, constraints: of the variables that the recipe names.
    guesses: of each picture, where the unknown parameters of its degradation are expected, by variable.
    """

    targets: Targets
    prior: Prior
    seed: int
    answers: int
    space: str = "z"
    charts: Mapping[str, Chart] = field(default_factory=dict)
    constraints: Mapping[str, Constraint] = field(default_factory=dict)
    guesses: Sequence[Mapping[str, Guess]] = ()

    def __post_init__(self):
        self.charted = Charted(self.prior, self.charts)
        self.keys = [observation.key for observation in self.targets.observations]
        self.evaluations = Evaluations(len(self.keys))

    @property
    def rows_at_once(self) -> int:
        """Rows of one forward and backward: about the memory of sixteen 128-px pictures."""
        return max(1, 2**18 // self.prior.generator.info.resolution**2)

    def chunks(self, rows: int | Tensor) -> Iterator[slice | Tensor]:
        """``rows``: how many, or the indices of some."""
        if isinstance(rows, Tensor):
            yield from rows.split(self.rows_at_once)
            return
        for start in range(0, rows, self.rows_at_once):
            yield slice(start, min(start + self.rows_at_once, rows))

    def draw(self, picture: int, answer: int, count: int, std: float = 1.0) -> Rows:
        """The first ``count`` starts of an answer, from its own stream, the same however many are drawn elsewhere.

        std: factor on the standard normal latents.  Classes that are not told are spread evenly over the rows.
        """
        random = stream(self.seed, self.keys[picture], answer)
        generator = self.prior.generator
        values = generator.sample(count, classes=self.labels(picture, count, random), generator=random)
        for spec in generator.info.latents:
            if spec.chart == "z" and spec.name in values:
                values[spec.name] = values[spec.name] * std
        here = (torch.full((count,), picture), torch.full((count,), answer))
        return Rows(*here, self.begun(values, picture, count, random))

    @torch.no_grad()
    def begun(self, drawn: dict[str, Tensor], picture: int, count: int, random: torch.Generator) -> dict[str, Tensor]:
        """What the generator has drawn, in the space of the run, with all other variables that the recipe names."""
        info = self.prior.generator.info
        charts = {self.space: default_chart(self.space)} | dict(self.charts)
        for name in (self.space, *(name for name, chart in charts.items() if chart.accompanies)):
            if charts[name].provides(name, info):
                drawn = charts[name].begin(name, drawn, count, self.prior, random)
        return drawn | self.guessed(picture, count, random)

    def guessed(self, picture: int, count: int, random: torch.Generator) -> dict[str, Tensor]:
        """Where the unknown parameters of the run begin, each (count, 1): the first row at the estimate."""
        if not self.guesses:
            return {}
        drawn = guesses(self.guesses[picture], count, random)
        return {name: value.to(self.prior.generator.device) for name, value in drawn.items()}

    @torch.no_grad()
    def placed(
        self, latents: dict[str, Tensor], picture: int, count: int, random: torch.Generator
    ) -> dict[str, Tensor]:
        """Known inputs of the generator, each (count, ...), in the space of the run, with all other variables that the
        recipe names. Raises RecipeError where the run begins in what no picture can be given by, such as codes."""
        chart, info = self.charts.get(self.space, default_chart(self.space)), self.prior.generator.info
        if chart.provides(self.space, info) != (self.space,) or self.space not in {spec.name for spec in info.latents}:
            raise RecipeError(
                f"a run in {self.space!r} cannot begin at a picture's latents; set space to z or w, or draw by best-of"
            )
        values = latents if self.space in latents else self.prior.generator.convert(latents, self.space)
        values = values | {self.space: chart.inverse(values[self.space], self.prior)}
        return self.accompanied(values, picture, count, random)

    def accompanied(
        self, values: dict[str, Tensor], picture: int, count: int, random: torch.Generator
    ) -> dict[str, Tensor]:
        """The values with all other variables that the recipe names, where they are not among them."""
        info = self.prior.generator.info
        for name, chart in self.charts.items():
            if chart.accompanies and not set(chart.provides(name, info)) <= values.keys():
                values = chart.begin(name, values, count, self.prior, random)
        return self.guessed(picture, count, random) | values

    def _each(self, what: str, values: dict, weights: dict, *arguments) -> list:
        """Rows with weights of their own pass the generator one at a time."""
        return [
            functional_call(self.charted, {f"generator.{n}": w for n, w in own.items()}, (what, row, *arguments))
            for row, own in zip(one_by_one(values, split=True), one_by_one(weights), strict=True)
        ]

    def render(self, values: dict[str, Tensor], weights: dict[str, Tensor]) -> Tensor:
        """(N, 3, R, R) in [-1, 1]."""
        if not weights:
            return self.charted.picture(values)
        return torch.cat(self._each("picture", values, weights))

    def generated(self, latents: dict[str, Tensor], weights: dict[str, Tensor]) -> Tensor:
        """(N, 3, R, R) of the generator's own inputs."""
        if not weights:
            return self.prior.generator(latents)
        return torch.cat(self._each("generated", latents, weights))

    def framed(self, image: Tensor, values: dict[str, Tensor], pictures: Tensor) -> Tensor:
        """The generator's pictures (N, 3, R, R) where the observations show them."""
        for name, chart in self.charts.items():
            if name in values:
                image = chart.picture(name, image, values, self.targets, pictures)
        return image

    @torch.no_grad()
    def covered(self, rows: Rows) -> Tensor | None:
        """(N, 1, R, R) in [0, 1]: how much of each pixel of the answers is the generator's; None where all are."""
        values, shown = rows.values, None
        for name, chart in self.charts.items():
            cover = chart.cover(name, values, self.targets, rows.picture) if name in values else None
            if cover is not None:
                shown = cover if shown is None else shown * cover
        return shown

    def evaluate(
        self,
        rows: Rows,
        part: slice | Tensor,
        terms: Sequence[Term],
        through: str = "forward",
        occasion: str = "score",
        jitter: Mapping[str, float] | None = None,
    ) -> tuple[Tensor, Score]:
        """(pictures, scores) of the rows in ``part``.

        occasion: what random numbers of the evaluation are drawn for.  jitter: of variables, in deviations of w.
        """
        streams = Streams(self.seed, self.keys, rows, part, occasion)
        values = {name: v[part] for name, v in rows.values.items()}
        for name, amount in (jitter or {}).items():
            noise = streams.normal(*values[name].shape[1:]).to(values[name], non_blocking=True)
            values[name] = values[name] + amount * self.deviation * noise
        weights = {name: w[part] for name, w in rows.weights.items()}
        pictures = rows.picture[part]
        image = self.framed(self.render(values, weights), values, pictures)
        self.evaluations.rendered(pictures)
        self.evaluations.passed(pictures, self.passes(terms))
        return image, score(
            terms, View(self.targets, image, values, pictures, through, self, weights=weights, random=streams)
        )

    def passes(self, terms: Sequence[Term]) -> int:
        """Through how many networks a row passes to be judged by the terms, the generator's own passes among them."""
        return passes(terms, self.charts, self.prior.generator.depth)

    @property
    def deviation(self) -> float:
        """The root of the mean squared distance of w from its mean (Karras et al. 2020, appendix D)."""
        return float(self.prior.statistics.std.square().sum().sqrt())

    @torch.no_grad()
    def rank(self, rows: Rows, terms: Sequence[Term], through: str = "forward") -> Tensor:
        """The objective of each row (N,), without gradients."""
        return torch.cat([self.evaluate(rows, part, terms, through)[1].total for part in self.chunks(len(rows))])

    @torch.no_grad()
    def pictures(self, rows: Rows) -> Tensor:
        """(N, 3, R, R) in [-1, 1], without gradients and without counting: the answer being shown."""
        parts = []
        for part in self.chunks(len(rows)):
            values = {name: value[part] for name, value in rows.values.items()}
            image = self.render(values, {name: weight[part] for name, weight in rows.weights.items()})
            parts.append(self.framed(image, values, rows.picture[part]))
        return torch.cat(parts)

    def _by_row(self, what: str, rows: Rows, *arguments) -> dict[str, Tensor]:
        if not rows.weights:
            return self.charted(what, rows.values, *arguments)
        found = self._each(what, rows.values, rows.weights, *arguments)
        return {name: torch.cat([one[name] for one in found]) for name in found[0]}

    @torch.no_grad()
    def inputs(self, rows: Rows) -> dict[str, Tensor]:
        """What the generator reads for each row: ``generator(inputs)``, with the row's weights, is its picture."""
        return self._by_row("latents", rows)

    @torch.no_grad()
    def capture_norm(self, rows: Rows) -> dict[str, Tensor]:
        """The instance norms that stand for the stored statistics of each row, by name."""
        return self._by_row("norms", rows)

    @torch.no_grad()
    def converted(self, rows: Rows, chart: str) -> dict[str, Tensor]:
        """The rows' variables at the same pictures, their latents in a wider chart."""
        found = self._by_row("converted", rows, chart)
        return {name: value.clone(memory_format=torch.contiguous_format) for name, value in found.items()}

    def labels(self, picture: int, count: int, generator: torch.Generator) -> Tensor | None:
        """Classes of ``count`` candidates (count,): the told one, or all of them evenly in a random order."""
        classes = len(self.prior.generator.info.classes)
        if not classes:
            return None
        told = self.targets.observations[picture].label
        if told is not None:
            return torch.full((count,), told)
        order = torch.randperm(classes, generator=generator)
        return order.repeat(-(-count // classes))[:count]

    def __repr__(self) -> str:
        pictures, answers = pluralise(len(self.keys), "picture"), pluralise(self.answers, "answer")
        return f"Problem: {pictures}, {answers} each, {self.prior.name}, space {self.space}, seed {self.seed}"

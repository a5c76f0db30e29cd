"""L-BFGS of many rows side by side: each row on its own, legal points, and nothing left running."""

import contextlib
import threading

import numpy as np
import pytest
import torch

import generators
from dgp.api import observe
from dgp.engine.stage_options import Move
from dgp.inversion import Inversion
from dgp.optim.lbfgs import LBFGS, Minimizer
from dgp.optim.update import AnchoredConstraint, Update, UpdatePlan
from dgp.random_streams import random_stream
from dgp.recipes.schema import Recipe
from dgp.variables.constraints import Bounds, Sphere


def quadratic(seed, d=12):
    """A matrix of condition 100 and an optimum."""
    random = np.random.default_rng(seed)
    axes, _ = np.linalg.qr(random.standard_normal((d, d)))
    return axes @ np.diag(np.geomspace(0.1, 10, d)) @ axes.T, random.standard_normal(d)


def driven(minimisers, problems, most=100):
    """The points that each looked at, all told in turn."""
    points = [[] for _ in minimisers]
    live = set(range(len(minimisers)))
    for _ in range(most):
        for i in sorted(live):
            point = minimisers[i].ask()
            if point is None:
                live.discard(i)
                continue
            points[i].append(point)
            matrix, optimum = problems[i]
            away = matrix @ (point - optimum)
            minimisers[i].tell(1.0 + 0.5 * away @ (point - optimum), away)
    for minimiser in minimisers:
        minimiser.close()
    return points


def test_quadratics_are_solved_each_as_if_alone():
    problems = [quadratic(seed) for seed in range(4)]
    together = driven([Minimizer(np.zeros(12)) for _ in problems], problems)
    for problem, points in zip(problems, together, strict=True):
        assert len(points) < 60
        assert min(np.abs(point - problem[1]).max() for point in points) < 1e-6
        (alone,) = driven([Minimizer(np.zeros(12))], [problem])
        assert all(np.array_equal(a, b) for a, b in zip(points, alone, strict=True))


def test_errors_of_a_rows_solver_surface():
    minimiser = Minimizer(np.zeros(3))
    minimiser.ask()
    minimiser.tell(1.0, "no gradient")
    with pytest.raises(TypeError):
        minimiser.ask()
    minimiser.close()


def test_nothing_is_left_running():
    before = threading.active_count()
    minimisers = [Minimizer(np.zeros(3)) for _ in range(5)]
    minimisers[0].ask()
    for minimiser in minimisers:
        minimiser.close()
    assert threading.active_count() == before


class Slopes:
    """Rows of 0.5 (x - t) A (x - t) in two variables with learning rates of their own."""

    def __init__(self, rows, constraint=None):
        random = torch.Generator().manual_seed(2)
        self.t = {name: torch.randn(5, 6, generator=random)[rows] for name in "ab"}
        self.curvature = {name: torch.rand(5, 6, generator=random)[rows] + 0.1 for name in "ab"}
        self.tensors = {name: torch.zeros(len(rows), 6).requires_grad_() for name in "ab"}
        with torch.no_grad():
            self.tensors["a"][:] = torch.randn(5, 6, generator=random)[rows]
        anchor = self.tensors["a"].detach().clone()
        updates = {"a": Update(1.0, Move()), "b": Update(0.5, Move())}
        constraints = {"a": AnchoredConstraint(constraint, anchor)} if constraint else {}
        self.solver = LBFGS(UpdatePlan(self.tensors, updates, constraints))
        self.solver.begin()
        self.converged = torch.zeros(len(rows), dtype=torch.bool)

    def objective(self):
        return sum((0.5 * self.curvature[name] * (self.tensors[name] - self.t[name]).square()).sum(1) for name in "ab")

    def run(self, steps):
        """The lowest objective of each row, where, and the points on the way."""
        path, lowest = [], torch.full((len(self.converged),), torch.inf)
        for i in range(steps):
            totals = self.objective()
            totals.sum().backward()
            path.append(torch.cat([v.detach().clone() for v in self.tensors.values()], 1))
            lowest = torch.minimum(lowest, totals.detach())
            going = ~self.converged
            if not going.any():
                break
            self.output = self.solver.step(totals.detach(), i / steps, None if going.all() else going)
            self.converged |= self.output.converged
        self.solver.close()
        return lowest, path


def test_rows_alone_and_among_others():
    lowest, path = Slopes(torch.arange(5)).run(40)
    assert lowest.max() < 1e-6
    for row in range(5):
        alone, own = Slopes(torch.tensor([row])).run(40)
        assert torch.allclose(alone, lowest[row], atol=1e-7)
        assert torch.allclose(torch.cat(own)[:10], torch.stack([p[row] for p in path[:10]]), atol=1e-5)


def test_rows_that_are_done_wait():
    slopes = Slopes(torch.arange(5))
    with torch.no_grad():
        for name in "ab":
            slopes.t[name][2] = slopes.tensors[name][2]  # this row begins at its optimum
    _, path = slopes.run(40)
    assert slopes.converged.all() and len(path) < 40
    assert torch.equal(path[0][2], path[-1][2])


def test_bounds_are_kept_and_reached():
    box = Bounds(low=-0.1, high=0.2)
    slopes = Slopes(torch.arange(5), box)
    _, path = slopes.run(60)
    assert all((p[:, :6] >= -0.1).all() and (p[:, :6] <= 0.2).all() for p in path)
    assert torch.allclose(path[-1][:, :6], slopes.t["a"].clamp(-0.1, 0.2), atol=1e-3)


def test_other_constraints_are_seen_through():
    slopes = Slopes(torch.arange(5), Sphere())
    slopes.curvature["a"] = torch.ones(5, 6)
    _, path = slopes.run(60)
    assert all(torch.allclose(p[:, :6].norm(dim=1), torch.full((5,), 6**0.5), atol=1e-4) for p in path)
    nearest = Sphere().project(slopes.t["a"], slopes.t["a"])
    assert torch.allclose(path[-1][:, :6], nearest, atol=2e-3)
    assert set(slopes.output.constrained) == {"a"} and slopes.output.constrained["a"].shape == (5,)


@pytest.fixture(scope="module")
def toy():
    return generators.load("toy")


@pytest.fixture(scope="module")
def observations(toy):
    drawn = toy.generator.sample(3, classes=torch.tensor([0, 1, 2]), generator=random_stream(0, "three pictures", 0))
    pictures = zip(toy.generator(drawn), ("gray", "sr:4", "inpaint:center=1/3"), (0, None, 2), strict=True)
    return [observe(p, spec, toy, simulate=True, label=label) for p, spec, label in pictures]


def recipe(steps, terms=("mse",), **stage):
    table = {"steps": steps, "lr": 1.0, "move": {"z": {}, "class": {}}, "terms": list(terms), **stage}
    return Recipe.model_validate(
        {
            "name": "l-bfgs",
            "summary": "",
            "cites": (),
            "searches": [{"kind": "best-of", "count": 4, "terms": list(terms)}],
            "stages": [table],
        }
    )


def test_it_gets_lower_than_adam_at_equal_cost(toy, observations):
    runs = {}
    for name, stage in {"l-bfgs": {"solver": "l-bfgs"}, "adam": {"lr": 0.05, "keep": "best"}}.items():
        runs[name] = Inversion(observations, toy, recipe(40, **stage), seed=1)
        runs[name].result()
    assert runs["l-bfgs"].evaluations.cost == runs["adam"].evaluations.cost
    assert (runs["l-bfgs"].scores < runs["adam"].scores).all()


def test_pictures_are_optimised_as_if_alone_and_the_best_is_kept(toy, observations):
    before = threading.active_count()
    together = Inversion(observations, toy, recipe(6, solver="l-bfgs"), seed=1)
    totals = torch.stack([step.total for step in together])
    for i, result in enumerate(together.result()):
        alone = Inversion(observations[i], toy, recipe(6, solver="l-bfgs"), seed=1)
        assert torch.allclose(alone.result().prior_tensor, result.prior_tensor, atol=2e-4)
        assert float(together.scores[i]) <= float(totals[:, i].min()) + 1e-7
    assert threading.active_count() == before


def test_a_run_that_is_left_ends_its_solvers(toy, observations):
    before = threading.active_count()
    steps = iter(Inversion(observations, toy, recipe(6, solver="l-bfgs")))
    next(steps)
    assert threading.active_count() > before
    steps.close()
    assert threading.active_count() == before


def test_released_weights_may_be_optimised(toy, observations):
    release = {"groups": 2, "lr": 0.1}
    stages = {"plain": {}, "released": {"release": release}}
    runs = {n: Inversion(observations[0], toy, recipe(12, solver="l-bfgs", **s), seed=1) for n, s in stages.items()}
    for run in runs.values():
        run.result()
    assert runs["released"].rows.weights and runs["released"].scores[0] != runs["plain"].scores[0]


@pytest.mark.parametrize(
    ("stage", "says"),
    [({"lr": 0.0}, "length of its first trial step"), ({"move": {"z": {"jitter": 0.1}}}, "stays the same")],
)
def test_stages_that_it_cannot_serve_are_refused(stage, says):
    with pytest.raises(ValueError, match=says):
        recipe(3, solver="l-bfgs", **stage)


def test_variables_of_one_number_a_row():
    """Such as the gain of an attention layer, which is released as (N,)."""
    x, target = torch.zeros(3).requires_grad_(), torch.tensor([1.0, -2.0, 0.5])
    solver, active = LBFGS(UpdatePlan({"x": x}, {"x": Update(1.0, Move())})), torch.ones(3, dtype=torch.bool)
    solver.begin()
    with contextlib.closing(solver):
        for i in range(6):
            totals = (x - target).square()
            totals.sum().backward()
            active &= ~solver.step(totals.detach(), i / 6, active).converged
    assert torch.allclose(x.detach(), target, atol=1e-3)

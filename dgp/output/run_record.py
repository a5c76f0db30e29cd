"""The object that result.json holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from dgp.losses.feature_networks.table import TRUNKS
from dgp.losses.terms import Term
from dgp.losses.trunk_term import TrunkTerm
from dgp.output.answer import Answer
from dgp.output.metrics import typicality
from dgp.output.run_folder import run_identity, to_json, versions
from generators.model_zoo import PUBLIC

MEASURED_BY = {"lpips-alexnet": "lpips", "efficientnet-lite0": "perceptual_efficientnet"}  # network -> metric
LIKELIEST = 10  # chains of damages that a result lists


def record_of(result: Answer, argv: Sequence[str]) -> dict:
    """Return the object that result.json holds and `--json` prints; valid JSON, without NaN and Infinity.

    argv: the call, program first.
    """
    observation, place = result.observation, result.observation.geometry
    how = {"seed": result.seed, "num_solutions": result.num_solutions, "start": result.start}
    identity = run_identity(observation, result.prior, result.recipe, **how)
    degradation = {"spec": "", "asked": observation.asked, "estimated": {}, "assets": {}} | identity["degradation"]
    degradation["estimated"] = {
        name: {
            "value": result.found.get(name, [estimate.value])[0],
            "unit": estimate.unit,
            "spread": estimate.spread,
            "before": estimate.value,
            "source": estimate.source,
            "of_solutions": result.found.get(name),
        }
        for name, estimate in observation.estimates.items()
    }
    if observation.ranking:
        degradation["ranking"] = [candidate.record() for candidate in observation.ranking[:LIKELIEST]]
    if observation.degradation.spec != degradation["spec"]:
        degradation["at_prior_resolution"] = observation.degradation.spec
    found = result.classes
    if found is not None:
        identity |= {"class": found[0], "class_name": result.prior.generator.info.classes[found[0]]}
    return to_json(
        {"schema": 1, "status": result.status, "argv": list(argv)}
        | identity
        | {
            "input": identity["input"] | {"size": list(observation.source.size), "mode": observation.source.image.mode},
            "output": None if result.folder is None else str(result.folder),
            "degradation": degradation,
            "prior": identity["prior"] | {key: getattr(result.prior.card, key) for key in ("licence", "limits")},
            "networks": describe_networks(result.recipe.terms, result.metrics),
            "recipe": identity["recipe"] | {"resolved": result.recipe.model_dump(mode="json")},
            "geometry": place.record(),
            "notes": [*observation.notes, *result.notes],
            "device": result.device,
            "precision": result.precision,
            "threads": result.threads,
            "deterministic": result.deterministic,
            "versions": versions(),
            "plugins": list(result.plugins),
            "unit": result.unit,
            "metrics": result.metrics,
            "fidelity": result.fidelity,
            "full_size": result.full_size and result.full_size.record(),
            "effective_resolution": observation.effective_resolution.record(),
            "latents": {
                name: _describe_latent(name, value[0])
                for name, value in result.latents.items()
                if not name.startswith("norm[")
            },
            "variables": {name: _describe_latent("", value[0]) for name, value in result.variables.items()},
            "scores": result.scores,
            "class_of_solutions": found,
            "windows": [_describe_window(one) for one in (result, *result.windows)] if result.windows else None,
            "classes": result.class_choice and result.class_choice.record(),
            "spread": result.spread and result.spread.record(),
            "accepted": result.accepted,
            "diverged": [one for window in (result, *result.windows) for one in window.diverged],
            "memory": result.memory,
            "evaluations": result.evaluations,
            "timing": result.timing,
        }
    )


def describe_networks(terms: Sequence[Term], metrics: Mapping[str, dict]) -> list[dict]:
    """Return name, licence and limits of the published feature networks that terms and metrics looked through."""
    used = {TRUNKS[term.trunk].published for term in terms if isinstance(term, TrunkTerm)}
    measured = {name for name, metric in MEASURED_BY.items() if metrics.get(metric, {}).get("value") is not None}
    entries = [PUBLIC[name] for name in PUBLIC if name in used | measured]
    return [{"name": one.name, "licence": one.licence.text, "limits": one.limits or None} for one in entries]


def _describe_window(window: Answer) -> dict:
    """Return the entry of one of several windows: its place, and how well it was filled."""
    return {
        "box": list(window.observation.geometry.box),
        **window.observation.geometry.describe_face(),
        "scores": window.scores,
        "fidelity": window.fidelity,
        "metrics": window.metrics,
        "class_of_solutions": window.classes,
    }


def _describe_latent(name: str, value: Tensor) -> dict:
    """Return the norm of one latent of the best answer, and how typical that is if the prior draws it from N(0, I)."""
    if not value.is_floating_point():
        return {"value": value.tolist(), "norm": None, "typicality": None}
    if name == "z":
        return typicality(value)
    return {"norm": float(value.norm()), "typicality": None}

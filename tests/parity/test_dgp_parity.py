"""The engine against the published DGP loop: scores, losses, gradients and nine steps in three stages.

Golden values: ../shared/fixtures/biggan_dgp_*; tolerances: those of the specification beside them.
"""

import dataclasses
import json

import numpy as np
import pytest
import torch

import generators
from dgp.api import observe
from dgp.engine.evaluator import Evaluator
from dgp.inversion import Inversion
from dgp.losses.features import Features
from dgp.losses.objective import Objective
from dgp.observation.batch import stack_observations
from dgp.recipes.schema import Recipe
from dgp.rendering.renderer import Renderer
from dgp.variables.rows import Rows
from tests.dgp.term_scene import predict

FEATURES = 7  # six maps and the pooled vector
NAMES = ["colorization", "SR", "SR_mse", "inpainting", "inpainting256style", "jitter"]
OPERATORS = {
    "colorization": "gray:luma=dgp",
    "SR": "sr-dgp",
    "inpainting": "inpaint:center=1/3",
    "reconstruct": "identity",
}


def arrays(path):
    with np.load(path) as archive:
        return {name: torch.from_numpy(archive[name]) for name in archive.files if not name.endswith("_json")}


@pytest.fixture(scope="module")
def published(shared, tmp_path_factory):
    """The fixture's weights as the published code saves them, read as a user's file would be."""
    values = arrays(shared / "fixtures/biggan_dgp_r64_weights.npz")
    folder = tmp_path_factory.mktemp("dgp")
    for part in ("G", "D"):
        state = {name[2:]: v for name, v in values.items() if name.startswith(f"{part}/")}
        torch.save(state, folder / (f"{part}_ema_64.pth" if part == "G" else f"{part}_64.pth"))
    return generators.load(folder), values


@dataclasses.dataclass
class Case:
    prior: object
    io: dict
    out: dict
    recipe: Recipe
    observation: object
    start: dict
    rates: dict


@pytest.fixture(params=NAMES)
def case(request, published, shared):
    prior, io = published
    path = shared / f"fixtures/biggan_dgp_r64_{request.param}.npz"
    with np.load(path) as archive:
        config = json.loads(bytes(archive["config_json"]).decode())
    out = {name[4:]: v for name, v in arrays(path).items() if name.startswith("out/")}
    recipe = recipe_of(config)
    observation = observe(
        io["io/target"], OPERATORS[config["dgp_mode"]], prior, label=int(io["io/y0"]), simulate=True, target="float"
    )
    # The fixture's target is a tensor of floats; an observation of a file would be rounded.
    observation = dataclasses.replace(observation, y=observation.degradation.measure(io["io/target"]))
    start = {"z": io["io/z0"], "class": prior.generator.embed(io["io/y0"])}
    rates = {name: max(config[f"{name}_lrs"]) for name in ("z", "G")}
    return Case(prior, io, out, recipe, observation, start, rates)


def recipe_of(config):
    adam = {"betas": (0.0, 0.999)}
    stages = []
    for s, steps in enumerate(config["iterations"]):
        rate = config["G_lrs"][s]
        move = {"z": adam} | ({"class": adam | {"lr": rate}} if config["update_embed"] else {})
        stages.append(
            {
                "steps": steps,
                "lr": config["z_lrs"][s],
                "move": move,
                "norm": "instance" if config["use_in"][s] else "batch",
                "release": adam
                | {"groups": config["ft_num"][s], "lr": rate, "ratio": config["lr_ratio"][s], "moments": "warm"},
                "terms": [
                    {"kind": "features", "drop": FEATURES - config["ftr_num"][s], "weight": config["w_D_loss"][s]},
                    {"kind": "mse", "weight": config["w_mse"][s]},
                    {"kind": "nll", "on": "z", "weight": config["w_nll"]},
                ],
            }
        )
    search = {"kind": "best-of", "count": 8, "terms": [{"kind": "features", "last": 3}], "through": "measure"}
    return Recipe.model_validate(
        {
            "name": "fixture",
            "summary": "",
            "cites": (),
            "variables": {"z": {}, "class": {}},
            "searches": [search],
            "stages": stages,
            "finish": {"kind": "none"},
        }
    )


def close(ours, theirs, absolute=0.0, relative=0.0, name=""):
    bound = absolute + relative * theirs.abs().max().item()
    difference = (ours.reshape(theirs.shape) - theirs).abs().max().item()
    assert difference <= bound, f"{name} differs by {difference:.3g}, allowed {bound:.3g}"


def ended(ours, theirs, rate, name):
    """Adam without a first moment steps by its rate, however small the gradient: where that is rounding noise, single
    entries go elsewhere, the others do not. Last digits changed at random moved the mean by 0.003 of the rate."""
    apart = (ours.reshape(theirs.shape) - theirs).abs() / rate
    assert apart.mean() <= 0.02 and apart.max() <= 2, f"{name} differs by {apart.mean():.3g} of its rate"


def test_the_observation_is_the_published_target(case):
    lifted = case.observation.degradation.lift(case.observation.y, (64, 64))
    close(lifted, case.out["target_degraded"], 1e-6)


def test_candidate_scores(case):
    batch = stack_observations([case.observation], case.prior.discriminator, (64, 64))
    evaluator = Evaluator(Renderer(case.prior, {}, batch), seed=0)
    zero = torch.zeros(8, dtype=torch.long)
    labels = case.prior.generator.embed(case.io["io/cand_y"])
    rows = Rows(zero, zero, {"z": case.io["io/cand_z"], "class": labels})
    scores = evaluator.score(rows, [Features(last=3)], "measure")
    close(scores, case.out["select_losses"], 1e-4 if case.observation.asked == "sr-dgp" else 1e-5)
    assert int(rows.best(scores, 1)) == int(case.out["select_argmin"])


def test_first_forward_and_gradients(case):
    inversion = Inversion(case.observation, case.prior, case.recipe, start=case.start)
    stage, rows = case.recipe.stages[0], inversion._started
    if stage.norm == "instance":
        rows.values.update(inversion.renderer.capture_norm(rows))
    parameters = dict(case.prior.generator.named_parameters())
    rows.weights = {
        name: p.detach()[None].clone().requires_grad_() for name, p in parameters.items() if name != "shared.weight"
    }
    rows.values = {name: v.requires_grad_(name in ("z", "class")) for name, v in rows.values.items()}
    prediction = predict(inversion.evaluator, rows)
    losses = Objective(stage.terms)(prediction)
    losses.total.sum().backward()
    close(prediction.image.detach(), case.out["x_init"], 1e-5)
    close(losses.total.detach(), case.out["loss_total"], 5e-6)
    close(losses.by_term["nll(z)"], case.out["nll"], 5e-6)

    named = {
        "z": rows.values["z"],
        "linear_weight": rows.weights["linear.weight"],
        "b0_conv1_weight": rows.weights["blocks.0.0.conv1.weight"],
        "b0_bn1_gain": rows.weights["blocks.0.0.bn1.gain.weight"],
        "attn_gamma": rows.weights["blocks.2.1.gamma"],
        "attn_theta": rows.weights["blocks.2.1.theta.weight"],
        "last_conv2": rows.weights["blocks.3.0.conv2.weight"],
    }
    for name, tensor in named.items():
        theirs = case.out[f"grad_{name}"]
        if case.out[f"gradnone_{name}"]:
            assert tensor.grad is None or tensor.grad.abs().max() == 0, name
        else:
            # The scalar is a sum that nearly cancels: its spread between processors is 4e-7, its size 0.003 to 1.
            close(tensor.grad, theirs, 1e-6 if tensor.grad.numel() == 1 else 1e-9, 1e-5, name)
    if case.out["gradnone_shared"]:
        assert rows.values["class"].grad is None
    else:
        row = case.out["grad_shared"][int(case.io["io/y0"])]
        close(rows.values["class"].grad, row, 1e-9, 1e-5)


def test_nine_steps_in_three_stages(case):
    inversion = Inversion(case.observation, case.prior, case.recipe, start=case.start)
    features, errors, last = [], [], None
    for step in inversion:
        features.append(step.losses["features"])
        errors.append(step.losses.get("mse"))
        last = step.image
    # With last digits changed at random it is 1e-7 apart at first and 3e-5 after nine steps. A loop that forgets the
    # moments of layers that wait is off by 0.02 or more in the pictures.
    first = slice(0, 3)
    close(torch.cat(features)[first], case.out["traj_ftr"][first], 5e-6)
    close(torch.cat(features), case.out["traj_ftr"], 1e-4)
    if errors[0] is not None:
        close(torch.cat(errors)[first], case.out["traj_mse"][first], 5e-6)
        close(torch.cat(errors), case.out["traj_mse"], 1e-4)
    close(last, case.out["last_x_returned"], 4e-3)
    close(inversion.renderer.render(inversion.rows), case.out["x_after_last_step"], 4e-3)
    ended(inversion.rows.values["z"].detach(), case.out["final_z"], case.rates["z"], "z")
    for name in (
        "linear.weight",
        "blocks.0.0.conv1.weight",
        "blocks.1.0.conv1.weight",
        "blocks.3.0.conv2.weight",
        "blocks.0.0.bn1.gain.weight",
    ):
        ours = inversion.rows.weights.get(name)
        ours = dict(case.prior.generator.named_parameters())[name] if ours is None else ours[0]
        ended(ours.detach(), case.out[f"final/{name}"], case.rates["G"], name)
    embedding = case.out["final/shared.weight"][int(case.io["io/y0"])]
    ended(inversion.rows.values["class"].detach(), embedding, case.rates["G"], "class")

"""Constraints, optimisers and curves against golden values of PULSE, RSR, ILO and StyleGAN2's projector (../shared)."""

import numpy as np
import pytest
import torch

from dgp.engine.stage_options import Move
from dgp.optim.gradient import GradientDescent, RowOptimizers
from dgp.optim.schedules import SCHEDULES
from dgp.optim.update import AnchoredConstraint, Update, UpdatePlan
from dgp.variables.constraints import L1Ball, Normalised, Sphere

PULSE_CURVES = {"fixed": "constant", "linear1cycle": "one-cycle", "linear1cycledrop": "one-cycle-drop"}
PULSE_MOVES = {"sgdm": Move(optimizer="sgd", momentum=0.9)}


def golden(shared, name):
    with np.load(shared / "fixtures" / f"{name}.npz") as archive:
        return {key: torch.from_numpy(archive[key]) for key in archive.files}


def test_pulse_curves(shared):
    for key, values in golden(shared, "pulse_lr_schedules").items():
        name, steps = key.rsplit("_", 1)
        curve = SCHEDULES[PULSE_CURVES[name]]
        ours = torch.tensor([curve(i / int(steps)) for i in range(int(steps))], dtype=torch.float64)
        assert (ours - values).abs().max() <= 1e-12, key


@pytest.mark.parametrize(
    "run",
    [
        "sgd_linear1cycledrop_lr0.05",
        "adam_fixed_lr0.4",
        "adam_linear1cycle_lr0.4",
        "adam_linear1cycledrop_lr0.4",
        "sgdm_linear1cycledrop_lr0.05",
        "adamax_linear1cycledrop_lr0.4",
    ],
)
def test_pulse_on_its_spheres(shared, run):
    given = golden(shared, "pulse_spherical_quadratic")
    optimizer, schedule, lr = run.split("_")
    values = {"x": given["x0"].clone().requires_grad_(), "n": given["n0"].clone().requires_grad_()}
    starts = {name: value.detach().clone() for name, value in values.items()}
    how = PULSE_MOVES.get(optimizer) or Move(optimizer=optimizer)
    sphere, curve = Sphere(radius="start"), SCHEDULES[PULSE_CURVES[schedule]]
    updates = {name: Update(float(lr[2:]), how, curve) for name in values}
    constraints = {name: AnchoredConstraint(sphere, start) for name, start in starts.items()}
    descent = GradientDescent(UpdatePlan(values, updates, constraints), RowOptimizers())
    descent.begin()
    for i in range(20):
        loss = 0.5 * (given["A"] * (values["x"] - given["t"]).square()).sum()
        loss = loss + 0.5 * (given["B"] * (values["n"] - given["u"]).square()).sum()
        assert loss.item() == pytest.approx(float(given[f"{run}_loss"][i]), rel=1e-5)
        loss.backward()
        descent.step(loss.detach()[None], i / 20, None)
        for name, value in values.items():
            assert (value.detach() - given[f"{run}_{name}"][i]).abs().max() <= 1e-5, (i, name)


def test_rsr_normalised_descent(shared):
    given = golden(shared, "rsr_ngd_quadratic")
    x = given["x0"].clone().requires_grad_()
    update = Update(float(given["lr"]), Move(optimizer="normalized"))
    descent = GradientDescent(UpdatePlan({"x": x}, {"x": update}), RowOptimizers())
    descent.begin()
    for i, (expected, loss) in enumerate(zip(given["traj"], given["loss"], strict=True)):
        value = 0.5 * (given["A"] * (x - given["t"]).square()).sum()
        assert value.item() == pytest.approx(float(loss), rel=1e-5)
        value.backward()
        if i == 3:  # the golden run has a gradient of zero here
            still = (expected == given["traj"][2]).all(-1)
            assert still.any()
            x.grad[still] = 0.0
        descent.step(value.detach()[None], i / 12, None)
        assert (x.detach() - expected).abs().max() <= 1e-6, i


@pytest.mark.parametrize("radius", [1.0, 10.0, 100.0])
def test_ilo_l1_balls(shared, radius):
    given = golden(shared, "ilo_split_and_l1")
    x = given["l1_x"]
    for start in (torch.zeros_like(x), torch.randn(x.shape, generator=torch.Generator().manual_seed(0))):
        ours = L1Ball(radius=radius).project(start + x, start) - start
        assert (ours - given[f"l1_eps{radius}"]).abs().max() <= 2e-6


def test_projector_noise(shared):
    given = golden(shared, "sg2_projector_pieces")
    for i in range(6):
        ours = Normalised(std="unbiased").project(given[f"smooth_{i}"], given[f"smooth_{i}"])
        assert (ours - given[f"normalised_{i}"]).abs().max() <= 1e-5


def test_projector_curves(shared):
    given = golden(shared, "sg2_projector_pieces")
    rate = torch.tensor([0.1 * SCHEDULES["ramp"](i / 1000) for i in range(1000)], dtype=torch.float64)
    assert (rate - given["lr_1000_0.1"]).abs().max() <= 1e-12
    jitter = torch.tensor([0.05 * SCHEDULES["fading"](i / 1000) for i in range(1000)], dtype=torch.float64)
    assert (jitter - given["latent_noise_factor_1000"]).abs().max() <= 1e-12

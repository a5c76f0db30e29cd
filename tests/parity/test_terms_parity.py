"""Terms against values that the published code computed: ../shared/fixtures and the specification beside them."""

import dataclasses

import numpy as np
import pytest
import torch

import generators
from dgp.api import observe
from dgp.losses.latent import Geocross, NoiseRegulariser
from dgp.losses.pixel import L1, Mse
from dgp.losses.prediction import Prediction
from dgp.observation.batch import stack_observations


@pytest.fixture
def golden(shared):
    return lambda name: {k: torch.from_numpy(v) for k, v in np.load(shared / "fixtures" / f"{name}.npz").items()}


@pytest.mark.parametrize("case", ["gauss_b1", "gauss_b2", "tiled", "nearby", "antipodal_half", "mapped_w"])
def test_geocross_is_pulses(golden, case):
    io = golden("pulse_geocross")
    x = io[case].requires_grad_()
    value = Geocross(of="value")(Prediction(None, None, {"w+": x}, None))
    assert value.shape == (len(x),)
    value.sum().backward()
    expected = io[f"{case}_grad"]
    assert float(value.detach().sum()) == pytest.approx(float(io[f"{case}_value"]), rel=1e-5)
    assert (x.grad - expected).norm() < 1e-5 * expected.norm()


@pytest.mark.parametrize("eps", [2e-3, 1e-3])
def test_floors_are_pulses(golden, eps):
    """Theirs is of pictures in [0, 1]: mse has four times the scale here, l1 twice."""
    io = golden("pulse_downscale_losses")
    toy = generators.load("toy")
    like = observe(torch.zeros(3, 32, 32), "identity", toy)
    seen = stack_observations([dataclasses.replace(like, y=y[None] * 2 - 1) for y in io["ref"]], None, (8, 8))
    x = (io["gen"] * 2 - 1).requires_grad_()
    prediction = Prediction(seen, x, {}, torch.arange(3))
    plain, absolute = Mse()(prediction), L1()(prediction)
    assert torch.allclose(plain / 4, io["mse_per_image"], atol=1e-6)
    assert torch.allclose(absolute / 2, io["mae_per_image"], atol=1e-6)
    floored = Mse(floor=4 * eps)(prediction)
    assert float(floored.detach().sum() / 4) == pytest.approx(float(io[f"L2_eps{eps}"]), abs=1e-6)
    gradient = torch.autograd.grad(floored.sum() / 4, x)[0] * 2  # d/dgen = 2 d/dx
    assert (gradient - io[f"L2_grad_eps{eps}"]).abs().max() < 1e-6
    assert not gradient[2].any() and gradient[1].any() == (eps < io["mse_per_image"][1])
    assert float(10 * L1(floor=2 * eps)(prediction).detach().sum() / 2) == pytest.approx(
        float(io[f"L1_eps{eps}"]), abs=1e-5
    )


@pytest.mark.parametrize(("maps", "value"), [("n", "reg_white"), ("smooth", "reg_smooth")])
def test_noise_regulariser_is_the_projectors(golden, maps, value):
    io = golden("sg2_projector_pieces")
    values = {f"noise[{i}]": io[f"{maps}_{i}"] for i in range(6)}
    got = NoiseRegulariser()(Prediction(None, None, values | {"w": torch.zeros(1, 4)}, None))
    assert float(got) == pytest.approx(float(io[value]), rel=1e-5)

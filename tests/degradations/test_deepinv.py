"""Test that deepinv's operators give the same results as in deepinv, on our scale, and fulfil our contract."""

import sys

import pytest
import torch

import degradations
from degradations import PluginError, SpecError, parse
from degradations.conformance import check

physics = pytest.importorskip("deepinv.physics")

SIZE = (12, 10)


def pictures(*size, rows=2):
    return torch.rand(rows, 3, *size, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize(
    "spec",
    [
        "deepinv:Downsampling,factor=2,filter=none",
        "deepinv:Inpainting,mask=0.6",
        "gray+deepinv:Inpainting,mask=0.6,seed=4",
        "deepinv:Demosaicing+sr:2",
        "deepinv:CompressedSensing,m=8,channelwise=true",
        "deepinv:Denoising",
        "deepinv:Denoising,noise_model=PoissonNoise,noise_model.gain=0.05",
        "deepinv:SpatialUnwrapping",
    ],
)
def test_contract(spec):
    assert check(parse(spec).build(seed=3, size=SIZE), SIZE, merge_tolerance=1e-4) == []


@pytest.mark.parametrize("size", [(32, 32), (37, 31)])
def test_downsampling_is_theirs(size):
    x = pictures(*size)
    with pytest.warns(UserWarning, match="filter"):  # deepinv's own, to those who leave it out
        plain = parse("deepinv:Downsampling,factor=4")(x)
    assert torch.equal(plain, parse("deepinv:Downsampling,factor=4,filter=none")(x))
    theirs = physics.Downsampling(factor=4, filter="bicubic", img_size=(3, *size))
    phi = parse("deepinv:Downsampling,factor=4,filter=bicubic")
    torch.testing.assert_close(phi(x), 2 * theirs((x + 1) / 2) - 1, atol=1e-5, rtol=0)
    y = phi(x)
    assert torch.equal(phi.adjoint(y, size), theirs.A_adjoint(y))
    assert phi.linear and phi.spec == "deepinv:Downsampling,factor=4,filter=bicubic"


def test_missing_pixels_are_mid_grey():
    x = pictures(*SIZE)
    phi = parse("deepinv:Inpainting,mask=0.5").build(seed=7)
    y, white = phi(x), phi(torch.ones_like(x))
    assert set(white.unique().tolist()) == {0.0, 1.0} and bool((y[white == 0] == 0).all())
    assert torch.equal(y[white == 1], x[white == 1])
    black_in_the_file = torch.where(white == 1, y, -1.0)
    assert torch.equal(phi.set_known_values(black_in_the_file), y)
    assert torch.equal(phi(x), parse(phi.spec)(x)), "the seed is in the text"
    assert not torch.equal(phi(x), parse("deepinv:Inpainting,mask=0.5").build(seed=8)(x))
    state = torch.get_rng_state()
    parse("deepinv:Inpainting,mask=0.25,seed=1")(x)
    assert torch.equal(state, torch.get_rng_state())
    with pytest.raises(SpecError, match="has no seed yet"):
        parse("deepinv:Inpainting,mask=0.5")(x)


def test_the_adjoint_is_exact_where_theirs_has_another_size():
    phi = parse("deepinv:DownsamplingMatlab,factor=2")
    x = pictures(37, 31).double()
    y = phi(x)
    v = torch.rand(y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    back = phi.adjoint(v, (37, 31))
    torch.testing.assert_close((y * v).sum(), (x * back).sum())


def test_objects():
    blur = physics.Blur(physics.blur.gaussian_blur(sigma=(0.5, 0.5)), padding="circular")
    blur.set_noise_model(physics.GaussianNoise(0.05))
    phi = degradations.from_deepinv(blur)
    x = pictures(64, 64)
    torch.testing.assert_close(phi(x), 2 * blur.A((x + 1) / 2) - 1, atol=1e-5, rtol=0)
    assert phi.noise.sigma == pytest.approx(0.1), "twice as much on a scale that is twice as long"
    drawn = phi.measure(x, torch.Generator().manual_seed(0)) - phi(x)
    assert abs(float(drawn.std()) - 0.1) < 0.003
    assert phi.spec.startswith("deepinv:Blur,object=sha256-") and phi.same_as(degradations.from_deepinv(blur))
    assert check(phi, SIZE, merge_tolerance=1e-4) == []
    with pytest.raises(SpecError, match="has no parameter 'object'"):
        parse(phi.spec)


def test_objects_that_are_not_linear():
    phi = degradations.from_deepinv(physics.PhaseRetrieval(physics.LinearPhysics()), smooth=True)
    x = pictures(*SIZE)
    torch.testing.assert_close(phi(x), 2 * ((x + 1) / 2).square() - 1)
    assert not phi.linear and phi.smooth


def test_masks_of_one_size():
    phi = degradations.from_deepinv(physics.Inpainting((3, *SIZE), mask=0.5))
    assert phi.channels(3) == 3 and check(phi, SIZE) == []


@pytest.mark.parametrize("model", ["PoissonNoise", "SaltPepperNoise", "UniformNoise", "LaplaceNoise", "GammaNoise"])
def test_other_noise_is_drawn_from_our_generators(model):
    value = {"GammaNoise": ",noise_model.l=8.0"}.get(model, "")
    phi = parse(f"deepinv:Denoising,noise_model={model}{value}")
    assert [one for one in check(phi, (24, 24)) if one.startswith(("noise", "rows"))] == []


def test_noise_of_levels_needs_levels():
    phi = parse("deepinv:CompressedSensing,m=20,noise_model=PoissonNoise").build(seed=0)
    with pytest.raises(degradations.DegradationError, match="noise depends on the brightness.*use a GaussianNoise"):
        phi.measure(pictures(*SIZE))


REFUSED = {
    "deepinv": "needs physics: a name, e.g. deepinv:Downsampling",
    "deepinv:Downsamplin,factor=4": "did you mean Downsampling",
    "deepinv:GaussianNoise": "not a Physics of deepinv.physics",
    "deepinv:os": "not a Physics of deepinv.physics",
    "deepinv:__import__('os')": "not a Physics of deepinv.physics|quoted only in part",
    "deepinv:Downsampling,facto=4": "has no parameter 'facto'; it has img_size, filter, factor, padding, noise_model",
    "deepinv:Downsampling,factor=four": "factor=four is not a number",
    "deepinv:Downsampling,factor=4,factor=2": "factor is given twice",
    "deepinv:Downsampling,factor=auto": "an estimate is not possible",
    "deepinv:Downsampling,4": "has no parameter name",
    "deepinv:Inpainting,seed=-1": "not a whole number from 0",
    "deepinv:Denoising,noise_model=Blur": "not a NoiseModel of deepinv.physics",
    "deepinv:Denoising,noise_model=PoissonNoise,noise_model.photons=3": "unexpected keyword argument 'photons'",
    "deepinv:Downsampling,noise_model.gain=1": "has no noise_model; name its class",
}


@pytest.mark.parametrize("spec", REFUSED)
def test_refusals_are_one_line(spec):
    with pytest.raises(SpecError, match=REFUSED[spec]) as caught:
        parse(spec)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "kind", "words"),
    [
        ("deepinv:Haze", PluginError, "deepinv's Haze cannot be used: on an x of 1x3x12x10 it raised IndexError"),
        ("deepinv:MRI", PluginError, "deepinv's MRI cannot be used"),
        ("deepinv:Pansharpen", PluginError, "it gave a TensorList; expected floats"),
        ("deepinv:SinglePixelCamera,m=9,seed=0", SpecError, "cannot be made for an x of 3x12x10: .*power of 2"),
    ],
)
def test_what_takes_no_pictures_is_told(spec, kind, words):
    with pytest.raises(kind, match=words) as caught:
        parse(spec)(pictures(*SIZE))
    assert "\n" not in str(caught.value)


def test_objects_that_are_refused():
    with pytest.raises(SpecError, match="got a Linear; expected an object of a class of deepinv.physics"):
        degradations.from_deepinv(torch.nn.Linear(2, 2))
    with pytest.raises(SpecError, match="sensor model, which is not supported"):
        degradations.from_deepinv(physics.LinearPhysics(sensor_model=torch.sign))
    with pytest.raises(SpecError, match="has 2 values of sigma"):
        degradations.from_deepinv(physics.Denoising(physics.GaussianNoise(torch.tensor([0.1, 0.2]))))


def test_without_deepinv(monkeypatch):
    monkeypatch.setitem(sys.modules, "deepinv", None)
    assert "deepinv" in degradations.names() and "deepinv" in degradations.describe("deepinv").text
    with pytest.raises(
        PluginError, match=r"not installed; install it with: pip install 'deep-generative-prior\[deep"
    ) as no:
        parse("gray+deepinv:Downsampling,factor=4")
    assert "\n" not in str(no.value)

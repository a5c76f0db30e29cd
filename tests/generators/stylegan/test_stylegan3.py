"""StyleGAN3: what it is for (pictures move with the plane), its operations written out, and its files."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import generators
from generators.checkpoints.families.stylegan3 import is_generator, read_generator
from generators.stylegan.bands import Schedule
from generators.stylegan.filtered_leaky_relu import FilteredLeakyReLU
from generators.stylegan.fourier_input import FourierInput
from generators.stylegan.lowpass import lowpass
from generators.stylegan.stylegan3 import Layer

from ..nvidia_pickles import Network, dumps
from .networks import CONFIGURATIONS, stylegan3

SIDE = 64


@pytest.fixture(params=CONFIGURATIONS, scope="module")
def network(request):
    return stylegan3(request.param, SIDE)


@pytest.fixture
def latents(network):
    return network.sample(2, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def moved(network):
    """A function (matrix, latents) -> picture of the plane so moved."""
    transform = network.synthesis.input.transform

    def render(matrix, latents):
        transform.copy_(torch.tensor(matrix))
        return network(latents)

    yield render
    transform.copy_(torch.eye(3))


def by_pixels(x, y):
    """Moves the picture to the right and down."""
    return [[1.0, 0.0, -x / SIDE], [0.0, 1.0, -y / SIDE], [0.0, 0.0, 1.0]]


def decibels(ours, theirs, like):
    """Of a picture whose deviation fills half of [-1, 1] (Karras et al. 2021, appendix E.1)."""
    error = ((ours - theirs) / (2 * like.std())).square().mean()
    return float(10 * torch.log10(4 / error))


@torch.no_grad()
def test_pictures_move_by_whole_pixels(network, latents, moved):
    still = network(latents)
    shifted = moved(by_pixels(3, -5), latents)
    assert decibels(shifted[:, :, :-5, 3:], still[:, :, 5:, :-3], still) > 55


@torch.no_grad()
@pytest.mark.parametrize("fraction", [0.37, 0.5])
def test_pictures_move_by_parts_of_a_pixel(network, latents, moved, fraction):
    still = network(latents)
    shifted = moved(by_pixels(fraction, 0), latents)
    taps = torch.arange(-12, 12)  # x(t - fraction), interpolated
    kernel = torch.sinc(taps + fraction) * torch.i0(5 * (1 - ((taps + fraction) / 12.6).square()).sqrt())
    between = F.conv2d(still.flatten(0, 1)[:, None], (kernel / kernel.sum())[None, None, None])[:, 0]
    expected = between.view(2, 3, SIDE, -1)
    reached = decibels(shifted[..., 12 : 12 + expected.shape[-1]], expected, still)
    assert reached > 55 and reached > 15 + decibels(shifted, still, still)


@torch.no_grad()
def test_without_its_filters_it_would_not(network, latents, moved):
    """What is measured above is made by the filters: with repeated values in their place it is less, by far."""

    def measured():
        still, shifted = moved(by_pixels(0, 0), latents), moved(by_pixels(3, -5), latents)
        return decibels(shifted[:, :, :-5, 3:], still[:, :, 5:, :-3], still)

    filtered = measured()
    before = {name: buffer.clone() for name, buffer in network.named_buffers() if name.endswith("up_filter")}
    for name in before:
        filter = network.get_buffer(name)
        up = len(filter) // 6
        filter.zero_()[len(filter) // 2 - up // 2 : len(filter) // 2 + up // 2] = 1 / up
    repeated = measured()
    network.load_state_dict(before, strict=False)
    assert repeated < filtered - 10


@torch.no_grad()
def test_only_configuration_r_turns(network, latents, moved):
    still = network(latents)
    turned = moved([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], latents)
    reached = decibels(turned, torch.rot90(still, -1, (2, 3)), still)
    assert reached > 100 if network.config.use_radial_filters else reached < 40


@torch.no_grad()
def test_w_places_the_plane(network, latents, moved):
    """The learned rotation and shift do what the transform does."""
    w_plus = network.convert(latents, "w+")["w+"]
    layer = network.synthesis.input
    cosine, sine, x, y = layer.affine(w_plus[:1, 0])[0].tolist()
    length = np.hypot(cosine, sine)
    c, s, x, y = cosine / length, sine / length, x / length, y / length
    expected = network({"w+": w_plus[:1]})
    weight, bias = layer.affine.weight.clone(), layer.affine.bias.clone()
    layer.affine.weight.zero_(), layer.affine.bias.copy_(torch.tensor([2.0, 0.0, 0.0, 0.0]))
    turn, shift = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]), np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]])
    again = moved((turn @ shift).astype(np.float32).tolist(), {"w+": w_plus[:1]})
    layer.affine.weight.copy_(weight), layer.affine.bias.copy_(bias)
    assert torch.allclose(again, expected, atol=1e-4)


@torch.no_grad()
def test_the_input_is_waves_of_its_frequencies():
    torch.manual_seed(0)
    layer = FourierInput(5, 6, Schedule(SIDE).bands()[0]).double()
    assert layer.freqs.norm(dim=1).max() <= 2
    out = layer(torch.randn(1, 6, dtype=torch.float64))
    at = (torch.arange(36, dtype=torch.float64) - 17.5) / 16
    pairs = zip(layer.freqs, layer.phases, strict=True)
    waves = [torch.sin(2 * torch.pi * (f[0] * at + f[1] * at[:, None] + p)) for f, p in pairs]
    assert torch.allclose(out[0], torch.einsum("oc,chw->ohw", layer.weight / 5**0.5, torch.stack(waves)))
    layer.transform[:2, :2] *= 1e6  # beyond what the grid can hold
    assert not layer(torch.randn(1, 6, dtype=torch.float64)).any()


# Maps of one rate, of a doubled one, and the last ones, whose margins are cut off.
SIZES = [(20, 20, 2, False), (20, 20, 2, True), (28, 36, 4, True), (36, 16, 2, False)]


@torch.no_grad()
@pytest.mark.parametrize(("size", "goal", "up", "radial"), SIZES)
@pytest.mark.parametrize("kernel", [1, 3])
def test_a_layer_is_its_operations_one_by_one(size, goal, up, radial, kernel):
    """Zeros between the samples, a filter, the activation, a filter, every second sample; the convolution of a weight
    of each row's own, over all of the map."""
    torch.manual_seed(0)
    d = torch.float64
    config = stylegan3("R" if kernel == 1 else "T", SIDE, 5).config
    layer = Layer(4, 5, *config.bands[:2], not radial, config).double()
    layer.up_filter, layer.down_filter = lowpass(6 * up, 2, 6, 32).to(d), lowpass(12, 2, 6, 32, radial).to(d)
    layer.nonlinearity = FilteredLeakyReLU(
        size, goal, up=up, down=2, up_taps=6 * up, down_taps=12, kernel=kernel, clamp=0.9
    )
    layer.bias.normal_(), layer.magnitude_ema.fill_(0.7)
    x, w = torch.randn(2, 4, size, size, dtype=d), torch.randn(2, 16, dtype=d)

    weight = layer.weight / layer.weight.square().mean((1, 2, 3), keepdim=True).sqrt()
    s = w @ layer.affine.weight.t() / 4 + layer.affine.bias
    own = weight * s[:, None, :, None, None]
    own = own / own.square().sum((2, 3, 4), keepdim=True).sqrt() / 0.7**0.5
    y = torch.cat([F.conv2d(x[i : i + 1], own[i], padding=kernel - 1) for i in range(2)])
    y = y + layer.bias[:, None, None]
    spread = torch.zeros(2, 5, up * y.shape[2], up * y.shape[2], dtype=d)
    spread[:, :, ::up, ::up] = y
    before = torch.outer(layer.up_filter, layer.up_filter) * up**2
    fine = each(F.pad(spread, [6 * up] * 4), before)
    fine = (F.leaky_relu(fine, 0.2) * 2**0.5).clamp(-0.9, 0.9)
    after = layer.down_filter if radial else torch.outer(layer.down_filter, layer.down_filter)
    # Where the sample in the middle of the maps is, before and after, tells what is left out at the edges.
    first = (fine.shape[2] + 1 - up - 2 * goal + 2 - 12) // 2
    expected = each(fine[:, :, first:, first:], after)[:, :, ::2, ::2][:, :, :goal, :goal]
    assert torch.allclose(layer(x, w), expected, atol=1e-6)


def each(x, kernel):
    """The same filter over every channel."""
    return F.conv2d(x.flatten(0, 1)[:, None], kernel[None, None])[:, 0].unflatten(0, x.shape[:2])


def test_gradients_reach_w_and_released_weights(network, latents):
    w_plus = network.convert(latents, "w+")["w+"].requires_grad_()
    name = next(name for name, _ in network.named_parameters() if name.endswith(".weight") and ".L5" in name)
    released = (network.get_parameter(name) * 1).requires_grad_()
    picture = torch.func.functional_call(network, {name: released}, ({"w+": w_plus},))
    assert torch.allclose(picture, network(latents), atol=1e-4)
    picture.square().mean().backward()
    assert (w_plus.grad.abs().amax((0, 2)) > 0).all() and released.grad.abs().max() > 0
    # Normalisation makes the length of a weight mean nothing.
    assert (released.grad * released).sum().abs() < 1e-3 * released.grad.norm() * released.norm()


@torch.no_grad()
def test_truncation_is_towards_the_mean_of_w(network):
    streams = lambda: [torch.Generator().manual_seed(s) for s in (1, 2)]  # noqa: E731
    w = network.convert(network.sample(2, generator=streams()), "w")["w"]
    half = network.sample(2, truncation=0.5, generator=streams())["w"]
    assert torch.allclose(half, (w + network.mapping.w_avg) / 2, atol=1e-6)
    wide = network.sample(2, truncation=1.5, generator=streams())["w"]
    assert torch.allclose(wide - w, w - half, atol=1e-5)


def pickled(module, class_name):
    """A module as NVIDIA's persistence would pickle it; what is said of it is a detail of its own."""
    return Network(
        class_name,
        {name: parameter.data for name, parameter in module.named_parameters(recurse=False)},
        dict(module.named_buffers(recurse=False)),
        {name: pickled(child, type(child).__name__) for name, child in module.named_children()},
        kwargs={"conv_clamp": 256, "channel_base": 512, "mapping_kwargs": {"num_layers": 2}},
        size=np.array([36, 36]),
    )


@torch.no_grad()
def test_a_pickle_is_read_and_converted(network, latents, tmp_path):
    (tmp_path / "network.pkl").write_bytes(dumps({"G_ema": pickled(network, "Generator"), "D": None}))
    prior = generators.load(tmp_path / "network.pkl")
    assert torch.equal(prior.generator(latents), network(latents))
    generators.convert(prior, tmp_path / "own.safetensors")
    assert torch.equal(generators.load(tmp_path / "own.safetensors").generator(latents), network(latents))


@torch.no_grad()
def test_stored_filters_are_used_as_stored_and_strange_ones_reported(network, latents):
    tensors = dict(network.state_dict())
    assert is_generator(tensors) and read_generator(tensors, {"conv_clamp": 256}, "a file")[1] == ()
    name = next(name for name in tensors if name.endswith("up_filter"))
    tensors[name] = tensors[name].roll(1)
    strange, assumed = read_generator(tensors, {"conv_clamp": 256}, "a file")
    assert "off those that its frequencies call for" in assumed[0]
    assert not torch.allclose(strange(latents), network(latents), atol=1e-3)


def test_classes_are_named_and_counted():
    tensors = stylegan3("T", 32, 5, n_classes=3).state_dict()
    network, _ = read_generator(tensors, {}, "a file", ("a", "b", "c"))
    assert network.info.class_index("b") == 1
    told = network.sample(2, classes=torch.tensor([0, 2]), generator=torch.Generator().manual_seed(0))
    assert torch.equal(told["class"], network.embed(torch.tensor([0, 2])))
    with pytest.raises(generators.ClassError, match="expected 0 to 2"):
        network.sample(2, classes=3)
    with pytest.raises(generators.WeightsError, match="names 2 classes, but its tensors have 3"):
        read_generator(tensors, {}, "a file", ("a", "b"))
    with pytest.raises(generators.ClassError, match="has none"):
        stylegan3("T", 32, 5).sample(1, classes=0)

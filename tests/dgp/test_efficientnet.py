"""EfficientNet-Lite as a feature network: padding, maps, sizes, names, and on its published weights what it reads."""

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torchvision.models import EfficientNet_B0_Weights

from dgp.losses.feature_networks import efficientnet
from dgp.losses.feature_networks.efficientnet import EfficientNetNetwork, fit_size, to_input
from dgp.losses.feature_networks.efficientnet_lite import EfficientNetLite, SameConvolution, read_efficientnet_lite
from dgp.output.metrics import perceptual_efficientnet_or_reason
from tests.dgp.term_scene import small_efficientnet


@pytest.fixture(scope="module")
def small():
    return EfficientNetNetwork(small_efficientnet())


@pytest.fixture(scope="module")
def pictures():
    return torch.rand(3, 3, 70, 97, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("size", [(7, 8), (9, 5), (16, 17)])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_padding_is_tensorflows(size, kernel, stride):
    """out[i] = sum_j w[j] x[i stride + j - before], with before = floor(padding / 2)."""
    random = torch.Generator().manual_seed(0)
    convolution = SameConvolution(2, 3, kernel, stride)
    x, w = torch.rand(1, 2, *size, generator=random), torch.rand(3, 2, kernel, kernel, generator=random)
    convolution.weight.data = w
    with torch.no_grad():
        got = convolution(x)[0]
    assert got.shape == (3, *(-(-n // stride) for n in size))
    before = [max((-(-n // stride) - 1) * stride + kernel - n, 0) // 2 for n in size]
    expected = torch.zeros_like(got)
    for i in range(got.shape[1]):
        for j in range(got.shape[2]):
            for a in range(kernel):
                for b in range(kernel):
                    row, column = i * stride + a - before[0], j * stride + b - before[1]
                    if 0 <= row < size[0] and 0 <= column < size[1]:
                        expected[:, i, j] += w[:, :, a, b] @ x[0, :, row, column]
    assert torch.allclose(got, expected, atol=1e-5)


def test_five_resolutions_of_unit_vectors(small, pictures):
    maps = small.maps(pictures)
    assert [tuple(found.shape[-2:]) for found in maps] == [(35, 49), (18, 25), (9, 13), (5, 7), (3, 4)]
    for found in maps:
        length = found.square().sum(1)
        assert ((length - 1).abs() < 1e-4).logical_or(length == 0).all()


def test_pictures_do_not_mix(small, pictures):
    for together, alone in zip(small.maps(pictures), small.maps(pictures[1:2]), strict=True):
        assert torch.allclose(together[1:2], alone, atol=1e-5)


@pytest.mark.parametrize("side", [1, 3, 31])
def test_small_pictures_are_enlarged(small, side):
    x = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert fit_size(x).shape[-2:] == (efficientnet.SMALLEST,) * 2
    assert small.distance(small.maps(x), small.maps(-x)) > 0


def test_large_pictures_are_averaged_by_area():
    x = torch.rand(1, 3, 2 * efficientnet.LARGEST, efficientnet.LARGEST)
    assert torch.allclose(fit_size(x), F.avg_pool2d(x, (2, 2)), atol=1e-6)
    assert fit_size(x[..., : efficientnet.LARGEST, :]) is not None


def test_gradients_reach_pictures_alone(small, pictures):
    x = pictures.clone().requires_grad_()
    small.distance(small.maps(x), small.maps(-pictures)).sum().backward()
    assert x.grad.isfinite().all() and (x.grad.flatten(1).norm(dim=1) > 0).all()
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in small.network.parameters())


def test_levels_of_8_bits_become_the_networks_input():
    levels = torch.tensor([0.0, 127.0, 255.0])
    assert torch.allclose(to_input(levels / 127.5 - 1), (levels - 127) / 128, atol=1e-6)


def test_names_of_parameters_are_the_published_files():
    names = {name for name in EfficientNetLite().state_dict() if not name.endswith("num_batches_tracked")}
    assert len(names) == 247 and {"_conv_stem.weight", "_blocks.15._bn2.running_var", "_fc.bias"} <= names
    assert "_blocks.0._expand_conv.weight" not in names


def test_other_files_are_refused_in_one_line(tmp_path):
    torch.save({"_fc.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="not the weights of EfficientNet-Lite0: [^\n]*get the file again$"):
        read_efficientnet_lite(tmp_path / "other.pth")


def test_nothing_is_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("DGP_CACHE", str(tmp_path))
    efficientnet.load_efficientnet.cache_clear()
    value, reason = perceptual_efficientnet_or_reason(torch.zeros(3, 32, 32), torch.zeros(3, 32, 32))
    assert value is None and "dgp priors fetch efficientnet-lite0" in reason and "\n" not in reason
    with pytest.raises(ValueError, match="nothing is downloaded"):
        efficientnet.load_efficientnet()


def test_a_damaged_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("DGP_CACHE", str(tmp_path))
    folder = tmp_path / "priors" / efficientnet.NAME
    folder.mkdir(parents=True)
    (folder / "efficientnet-lite0-57934424.pth").write_bytes(b"not the network")
    assert "damaged" in efficientnet.explain_absence()


@pytest.fixture
def published(fetched, monkeypatch):
    monkeypatch.setenv("DGP_CACHE", str(fetched(efficientnet.NAME).parents[1]))
    efficientnet.load_efficientnet.cache_clear()
    yield efficientnet.load_efficientnet()
    efficientnet.load_efficientnet.cache_clear()


@pytest.mark.weights
def test_reads_a_photograph(published):
    from skimage import data

    picture = Image.fromarray(data.chelsea()).crop((75, 0, 375, 300)).resize((224, 224), Image.Resampling.BICUBIC)
    x = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).view(1, 224, 224, 3).permute(0, 3, 1, 2)
    best = published((x.float() - 127) / 128)[0].topk(5).indices.tolist()
    names = EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"]
    assert {names[index] for index in best} & {"tabby", "tiger cat", "Egyptian cat"}


@pytest.mark.weights
@pytest.mark.parametrize("side", [32, 128])
def test_ranks_strengths_of_blur(published, side):
    from skimage import data

    picture = Image.fromarray(data.astronaut()).resize((side, side), Image.Resampling.BOX)
    x = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).view(1, side, side, 3).permute(0, 3, 1, 2)
    x = x.float() / 127.5 - 1
    network = EfficientNetNetwork(published)
    blurred = [F.interpolate(F.avg_pool2d(x, k), size=(side, side), mode="bilinear") for k in (2, 4, 8)]
    distances = [float(network.distance(network.maps(x), network.maps(one))) for one in blurred]
    assert distances == sorted(distances) and distances[0] > 0.1

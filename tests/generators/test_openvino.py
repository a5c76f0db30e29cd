"""OpenVINO's files: read as they are written, and refused in one line where anything about them is wrong."""

import re

import pytest
import torch

import generators
from generators import WeightsError
from tests.generators.openvino_files import published_names, write_pair
from tests.generators.stylegan.networks import mobile_stylegan

BOMB = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12))


@pytest.fixture(scope="module")
def network():
    return mobile_stylegan()


@pytest.fixture
def pair(network, tmp_path):
    return write_pair(network, tmp_path)


@torch.no_grad()
def test_what_is_written_is_read(network, pair):
    for path in (pair, pair.parent):
        prior = generators.load(path)
        assert prior.generator.config == network.config and prior.name == (pair.stem if path == pair else path.name)
        z = network.sample(2, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(prior.generator(z), network(z), atol=1e-4, rtol=1e-4)
    assert any("mean w" in said for said in prior.assumed)
    torch.testing.assert_close(prior.generator.mapping.w_avg, prior.generator.mean_of_w())


@torch.no_grad()
def test_the_digest_is_that_of_all_four_files(network, pair):
    before = generators.load(pair).sha256
    assert generators.load(pair).sha256 == before
    for name in ("MappingNetwork.bin", "SynthesisNetwork.bin"):
        data = bytearray((pair.parent / name).read_bytes())
        data[0:4] = torch.tensor([1.0 if name[0] == "M" else 0.25]).numpy().tobytes()
        if name[0] == "M":
            data[8:12] = torch.tensor([1.0]).numpy().tobytes()
        (pair.parent / name).write_bytes(bytes(data))
        assert generators.load(pair).sha256 != before
        before = generators.load(pair).sha256


def test_converted_it_is_the_same(pair, tmp_path):
    prior = generators.load(pair)
    generators.convert(prior, tmp_path / "converted.safetensors")
    again = generators.load(tmp_path / "converted.safetensors")
    mine, theirs = prior.generator.state_dict(), again.generator.state_dict()
    assert mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert again.assumed == prior.assumed and again.generator.config == prior.generator.config


def replaced(old, new, count=1):
    """A change of the synthesis network's XML."""

    def change(pair):
        text = pair.read_text()
        assert re.search(old, text)
        pair.write_text(re.sub(old, lambda found: found.expand(new), text, count=count))

    return change


def declared(content):
    return replaced(r"<net ", f"<!DOCTYPE net [{content}]>\n<net ".replace("\\", r"\\"))


def cut(name, kept):
    return lambda pair: (pair.parent / name).write_bytes((pair.parent / name).read_bytes()[:kept])


def removed(name):
    return lambda pair: (pair.parent / name).unlink()


def of(name):
    """The start of a constant's element, up to its shape."""
    return rf'(name="{re.escape(name)}" type="Const" version="opset1"><data element_type="f32" shape=")'


BIAS, WEIGHT = "m.layers.1.conv2.bias", "m.layers.0.up.modulation.weight"
WRONG = {
    "an XML bomb": (declared(f'<!ENTITY a0 "ha">{BOMB}'), "declares a document type"),
    "a file from elsewhere": (declared('<!ENTITY a SYSTEM "file:///etc/passwd">'), "declares a document type"),
    "a document type elsewhere": (replaced("<net ", '<!DOCTYPE net SYSTEM "http://host/x.dtd"><net '), "document type"),
    "half an XML": (cut("SynthesisNetwork.xml", 3000), "not a whole XML file"),
    "an XML nested too deeply": (replaced("<layers>", "<a>" * 50 + "</a>" * 50 + "<layers>"), "deeper elements"),
    "too many elements": (replaced("<layers>", "<a/>" * 110_000 + "<layers>"), "more or deeper"),
    "another version": (replaced('version="10"', 'version="7"'), "of version 10"),
    "another operation": (replaced('type="VariadicSplit"', 'type="Loop"'), "is a Loop"),
    "half the constants": (cut("SynthesisNetwork.bin", 3000), "SynthesisNetwork.bin"),
    "no constants": (removed("SynthesisNetwork.bin"), "SynthesisNetwork.bin is not beside it"),
    "no mapping network": (removed("MappingNetwork.xml"), "MappingNetwork.xml"),
    "no constants of the mapping network": (removed("MappingNetwork.bin"), "MappingNetwork.bin is not beside it"),
    "a shape of another size": (replaced(of(WEIGHT) + r"\d+", r"\g<1>99"), "takes"),
    "a shape that is no shape": (replaced(of(WEIGHT) + r"\d+", r"\g<1>-4"), "has the shape"),
    "a huge shape": (replaced(of(WEIGHT) + r"\d+", r"\g<1>9999999999, 9999999999"), "takes"),
    "sides in another order": (replaced(of(WEIGHT) + r"16, 16", r"\g<1>32, 8"), "up"),
    "a constant beyond the end": (replaced(r'offset="\d+"', 'offset="99999999"'), "ends at byte"),
    "an offset that is no number": (replaced(r'offset="\d+"', 'offset="-4"'), "expected a whole number"),
    "another element type": (replaced('element_type="f32"', 'element_type="f64"'), "holds f64"),
    "a layer less": (replaced(rf'<layer id="\d+" name="{BIAS}".*\n', ""), "which does not exist"),
    "a name less": (replaced(f'"{BIAS}"', '"anything"'), "belongs to no layer"),
    "an activation less": (replaced('type="PReLU"', 'type="Reshape"'), "PReLU"),
    "two layers of one id": (replaced('<layer id="1"', '<layer id="0"'), "two layers have the id 0"),
    "two edges to one input": (replaced(r"(<edge .*\n)", r"\1\1"), "two edges feed one input"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_refused_in_one_line(pair, wrong):
    change, words = WRONG[wrong]
    change(pair)
    with pytest.raises(WeightsError) as caught:
        generators.load(pair)
    said = str(caught.value)
    assert words in said and "Network." in said and said.isprintable(), said


def test_the_constants_alone_name_their_graph(pair):
    with pytest.raises(WeightsError, match="give SynthesisNetwork.xml"):
        generators.load(pair.with_suffix(".bin"))


def test_many_constants_from_one_place_take_no_memory(pair):
    size = pair.with_suffix(".bin").stat().st_size // 4 * 4
    shape = size // 4
    one = f'type="Const" version="opset1"><data element_type="f32" shape="{shape}" offset="0" size="{size}"/></layer>'
    many = "".join(f'<layer id="{10_000 + i}" name="c{i}" {one}' for i in range(2000))
    pair.write_text(pair.read_text().replace("<layers>", "<layers>" + many))
    with pytest.raises(WeightsError, match="constants are larger than"):
        generators.load(pair)


def checkpoint(network):
    """What the training code saves, with vectors of demodulation that are not the identity."""
    random = torch.Generator().manual_seed(0)
    found, folded = {"student.device_info": torch.zeros(1), "loss.anything": torch.zeros(3)}, {}
    for name, tensor in published_names(network).items():
        if name.endswith(".noise"):
            found[f"student.{name}.weight"] = torch.tensor([0.1])
        elif name.endswith("weight_dw"):
            found[f"student.{name}"] = tensor
        else:
            found[f"student.{name}"] = tensor
    for key in [name.removesuffix("noise.weight") for name in found if name.endswith("noise.weight")]:
        weight = found.get(f"{key}conv.weight_permute", found.get(f"{key}conv.weight"))
        full = weight * found[f"{key}conv.weight_dw"].transpose(0, 1) if f"{key}conv.weight_dw" in found else weight
        inverse = torch.randn(1, 1, full.shape[1], 1, 1, generator=random)
        found[f"{key}conv.style_inv"] = inverse
        scaled = full[None] * inverse / (9 * full.shape[1]) ** 0.5
        folded[key.removeprefix("student.")] = (
            weight / scaled.square().sum((0, 2, 3, 4)).add(1e-8).sqrt()[:, None, None, None]
        )
    found["student.to_img1.conv.weight"] = torch.zeros(12, network.config.channels[0], 1, 1)
    found["student.layers.0.to_img.bias"] = torch.zeros(1, 12, 1, 1)
    found["student.layers.0.up.idwt.g0_col"] = torch.zeros(1, 1, 2, 1)
    for i in range(network.mapping.layers):
        layer = getattr(network.mapping, f"fc{i}")
        found |= {f"mapping_net.layers.{i + 1}.{name}": p.detach() for name, p in layer.named_parameters()}
    found["style_mean"] = network.mapping.w_avg.expand(1, 9, -1).clone()
    return found, folded


def test_checkpoints_of_the_training_code(network, tmp_path):
    tensors, folded = checkpoint(network)
    torch.save({"state_dict": tensors, "epoch": 3}, tmp_path / "last.ckpt")
    prior = generators.load(tmp_path / "last.ckpt")
    ours, theirs = prior.generator.state_dict(), network.state_dict()
    changed = {name for name in ours if re.fullmatch(r".*conv[12]\.(weight|noise)", name)}
    assert ours.keys() == theirs.keys() and len(changed) == 10
    for name in ours.keys() - changed:
        torch.testing.assert_close(ours[name], theirs[name], atol=1e-5, rtol=1e-5)
    last = len(network.config.channels) - 2
    expected = folded[f"layers.{last}.conv2."]
    torch.testing.assert_close(ours[f"synthesis.b{8 << last}.conv2.weight"], expected)
    assert ours["synthesis.b8.conv1.noise"].std() == pytest.approx(0.1, rel=0.3)
    assert any("noise maps" in said for said in prior.assumed) and not any("mean w" in said for said in prior.assumed)


@pytest.mark.parametrize("left_out", ["style_inv", "up.modulation", "mapping_net"])
def test_other_checkpoints_are_refused(network, tmp_path, left_out):
    tensors = {name: tensor for name, tensor in checkpoint(network)[0].items() if left_out not in name}
    torch.save(tensors, tmp_path / "last.ckpt")
    with pytest.raises(WeightsError) as caught:
        generators.load(tmp_path / "last.ckpt")
    said = str(caught.value)
    assert said.isprintable() and ("first is read" in said or "mapping" in said), said

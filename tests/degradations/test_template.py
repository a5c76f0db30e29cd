"""Test that the files written for authors of operators work unchanged."""

import runpy

import pytest

import degradations
from degradations import PluginError, SpecError, conformance
from degradations.authoring.template import make_plugin_and_test, write_new
from degradations.core import registry


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    monkeypatch.setattr(registry, "_classes", dict(registry._classes))
    monkeypatch.setattr(registry, "_files", {})


def test_the_written_test_passes(tmp_path, monkeypatch):
    name = "old-film2"
    monkeypatch.setattr(conformance, "SIZES", ((12, 12), (13, 11)))
    plugin, test = write_new(name, tmp_path / "plugins")
    assert (plugin.name, test.name) == ("old_film2.py", "test_old_film2.py")
    tests = {key: one for key, one in runpy.run_path(str(test)).items() if key.startswith("test_")}
    assert len(tests) == 3
    for one in tests.values():
        one()
    assert degradations.parse(f"gray+{name}:strength=auto").unknowns()


def test_the_written_test_notices_a_fault(tmp_path):
    plugin, test = write_new("vignette", tmp_path)
    plugin.write_text(plugin.read_text().replace("(1 - self.strength) * x", "(1 - self.strength) * x + 0.1"))
    with pytest.raises(AssertionError):
        runpy.run_path(str(test))["test_contract"]()


def test_lines_are_short():
    for text in make_plugin_and_test("vignette").values():
        assert max(map(len, text.splitlines())) <= 120 and "NAME" not in text and "FILE" not in text


def test_refusals(tmp_path):
    with pytest.raises(SpecError, match="small letters, digits and hyphens"):
        write_new("../Vignette", tmp_path)
    with pytest.raises(PluginError, match="called 'gray' already"):
        write_new("gray", tmp_path)
    (tmp_path / "test_vignette.py").write_text("mine")
    with pytest.raises(SpecError, match="test_vignette.py exists, and is not replaced"):
        write_new("vignette", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["test_vignette.py"], "nothing is left behind"
    with pytest.raises(SpecError, match="cannot write into .*Not a directory|cannot write into .*exists"):
        write_new("vignette", tmp_path / "test_vignette.py" / "below")

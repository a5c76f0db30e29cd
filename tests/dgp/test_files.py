"""Files are written whole or not at all; JSON has no NaN."""

import hashlib
import json
import os

import pytest

from dgp.errors import DgpError, InputError, OutputError, RecipeError
from dgp.files import sha256_of, write_bytes_atomic, write_json_atomic


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "é.bin"
    write_bytes_atomic(path, b"one")
    write_bytes_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["é.bin"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_json_atomic(path, {"a": 1})

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OutputError, match="No space left"):
        write_json_atomic(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_missing_folder_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="choose another folder"):
        write_bytes_atomic(tmp_path / "no" / "a", b"")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_without_nan(tmp_path, number):
    with pytest.raises(ValueError, match="JSON"):
        write_json_atomic(tmp_path / "a.json", {"a": number})
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_no_utf8_is_still_json(tmp_path):
    write_json_atomic(tmp_path / "a.json", {"path": "caf\udce9.png"})
    assert json.loads((tmp_path / "a.json").read_text()) == {"path": "caf\udce9.png"}


def test_sha256_of_bytes_and_files(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == sha256_of(b"abc") == hashlib.sha256(b"abc").hexdigest()


def test_errors_are_builtins_too_and_know_their_exit_code():
    for error, builtin, code in (
        (InputError, ValueError, 2),
        (OutputError, OSError, 2),
        (RecipeError, ValueError, 2),
    ):
        assert issubclass(error, DgpError) and issubclass(error, builtin) and error.exit_code == code
    assert DgpError.exit_code == 1 and str(OutputError("one line")) == "one line"

"""Texts of any content, by hypothesis: each is accepted, or refused in one printable line by an error of ours."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import degradations
from degradations import DegradationError
from dgp.cli.console import printable_text
from dgp.cli.failures import one_line
from dgp.errors import DgpError, InputError, to_one_line
from dgp.files import write_json_atomic
from dgp.observation.images import open_picture
from dgp.recipes.load import load_recipe
from dgp.recipes.overrides import parse_value
from tests.fuzz import samples

SETTINGS = settings(max_examples=150, deadline=None, derandomize=True, database=None)
NAMES = [name for name in degradations.names() if name != "deepinv"]
PARAMETERS = sorted({one.name for name in NAMES for one in degradations.describe(name).parameters})
EXTREMES = ["1e999", "1/0", "9" * 5000, "1e99999999", "auto", "?", "0.5..4", "1-2-3-4", "true", "/dev/zero", '"a']
TEXTS = st.text(st.characters(codec=None, exclude_categories=()), max_size=30)
NUMBERS = st.one_of(st.integers(), st.floats(), st.fractions())
VALUES = st.one_of(NUMBERS.map(str), TEXTS, st.sampled_from(EXTREMES))
KEYS = st.one_of(st.sampled_from(PARAMETERS), TEXTS)
PAIRS = st.tuples(KEYS, VALUES).map("=".join)
OPERATORS = st.tuples(st.one_of(st.sampled_from(NAMES), TEXTS), st.lists(st.one_of(VALUES, PAIRS), max_size=3))
SPECS = st.lists(OPERATORS.map(lambda one: f"{one[0]}:{','.join(one[1])}" if one[1] else one[0]), max_size=3).map(
    "+".join
)
PATHS = st.sampled_from([text.decode().partition("=")[0] for text in samples.OVERRIDES])
TOML = st.recursive(
    st.one_of(st.integers(), st.floats(), st.booleans(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=8,
)


def is_one_line(error):
    said = str(error)
    return said.isprintable() and said and len(said) <= 2000 and said == one_line(error)


@SETTINGS
@given(SPECS)
def test_specs(text):
    try:
        operator = degradations.parse(text)
    except DegradationError as error:
        assert is_one_line(error)
    else:
        assert degradations.parse(operator.spec).spec == operator.spec


@SETTINGS
@given(st.one_of(st.tuples(PATHS, VALUES).map("=".join), st.tuples(TEXTS, VALUES).map("=".join), TEXTS))
def test_overrides_as_texts(text):
    try:
        load_recipe("latent-mse", [text])
    except DgpError as error:
        assert is_one_line(error)


@SETTINGS
@given(PATHS, TOML)
def test_overrides_as_values(key, value):
    try:
        load_recipe("latent-mse", {key: value})
    except DgpError as error:
        assert is_one_line(error)


@SETTINGS
@given(st.dictionaries(st.sampled_from(["name", "extends", "stages", "searches", "set", "finish"]), TOML))
def test_recipes(tmp_path_factory, table):
    path = tmp_path_factory.getbasetemp() / "mine.toml"
    lines = [f"{key} = {json.dumps(value, default=str)}" for key, value in table.items()]
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    try:
        load_recipe(path)
    except DgpError as error:
        assert is_one_line(error)


@SETTINGS
@given(TEXTS)
def test_values(text):
    parse_value(text)


@SETTINGS
@given(TEXTS)
def test_lines_can_be_shown(text):
    shown = to_one_line(text)
    assert shown.isprintable() and shown == printable_text(text) == to_one_line(shown)
    shown.encode("utf-8")


@SETTINGS
@given(st.text(st.characters(codec=None, exclude_categories=()), min_size=1, max_size=300))
def test_names_of_files(tmp_path_factory, name):
    folder = tmp_path_factory.getbasetemp()
    path = f"{folder}/{name.replace('/', '')}"
    with pytest.raises(InputError) as refused:
        open_picture(path + ".png")
    assert is_one_line(refused.value)
    write_json_atomic(folder / "result.json", {"path": path})
    assert json.loads((folder / "result.json").read_bytes().decode("utf-8")) == {"path": path}

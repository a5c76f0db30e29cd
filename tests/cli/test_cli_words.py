"""What people read and type: near misses, listings without tensors, and what the shell completes."""

import subprocess
import sys

import click
import pytest
from click.shell_completion import ShellComplete
from safetensors import safe_open

import degradations
import dgp
import generators
from dgp.cli.main import main
from generators.builtin import BUNDLED


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("colorise", "colorize"),
        ("colourise", "colorize"),
        ("Restore", "restore"),
        ("priors smaple", "sample"),
        ("degradations lists", "list"),
        ("recipes shw", "show"),
        ("batch stauts", "status"),
    ],
)
def test_near_misses_of_commands_get_a_suggestion(call, words, meant):
    name = words.split()[-1]
    said = call(*words.split(), code=2).stderr
    assert said == f"Error: No such command {name!r}. Did you mean {meant!r}?\n"


def test_other_words_are_told_the_names(call):
    assert "Expected one of: convert, fetch, info, " in call("priors", "xyzzy", code=2).stderr


def test_people_are_shown_no_tensor_shapes(call):
    lines = call("degradations", "list").stdout.splitlines()
    assert "(N, " not in "".join(lines) and not [line for line in lines if line != line.rstrip()]
    summaries = {d["name"]: d["summary"] for d in call("degradations", "list", "--json").json["degradations"]}
    assert "(N, 3, H, W) -> (N, 1, H, W)" in summaries["gray"]
    for name in degradations.names():
        said = call("degradations", "info", name).stdout
        assert "(N, " not in said and len(said.splitlines()[2]) > 20, name
    assert "Any factor (2.5 too)" in call("degradations", "info", "sr").stdout


def completed(*words):
    """What click offers for the last word."""
    *args, incomplete = words
    return [
        item.value
        for item in ShellComplete(main, {}, "dgp", "_DGP_COMPLETE").get_completions(args, incomplete)
        if item.type == "plain"
    ]


def test_names_are_completed_as_the_packages_have_them(monkeypatch):
    priors = [name for name in generators.names() if name not in generators.find_fetched()]
    assert completed("restore", "a.png", "-r", "") == dgp.recipe_names()
    assert completed("colorize", "-p", "") == priors
    assert completed("degradations", "info", "") == degradations.names()
    assert completed("restore", "-d", "") == sorted([*degradations.names(), "auto"])
    with safe_open(BUNDLED / "stylegan2-cifar10-G_ema.safetensors", "pt") as file:
        assert '"horse"' in file.metadata()["dgp"]
    for words in (("colorize", "-p", "stylegan2-cifar10"), ("priors", "sample", "stylegan2-cifar10"), ("invert",)):
        assert completed(*words, "--class", "ho") == ["horse"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("restore", "-d", "gray+sr-"), ["gray+sr-dgp", "gray+sr-pulse"]),
        (("evaluate", "set", "-r", "default,ps"), []),
        (("evaluate", "set", "-r", "default,rs"), ["default,rsr"]),
        (("priors", "info", "style"), ["stylegan2-cifar10"]),
        (("recipes", "show", "pt"), ["pti"]),
        (("recipes", "show", "pti", "-p", "to"), ["toy"]),
        (("colorize", "-p", "nowhere.safetensors", "--class", ""), ["auto"]),
        (("evaluate", "set", "--class", "f"), ["folder", "frog"]),
        (("col",), ["colorize"]),
        (("priors", "sam"), ["sample"]),
    ],
)
def test_the_last_of_several_is_completed(words, offered):
    assert completed(*words) == offered


@pytest.mark.parametrize("option", ["-p", "-r", "-o", "--mask", "--weight", "--plugin"])
def test_files_are_offered_where_a_file_can_be_given(option):
    found = ShellComplete(main, {}, "dgp", "_DGP_COMPLETE").get_completions(["inpaint", option], "a")
    assert {item.type for item in found} & {"file", "dir"}


def test_the_shell_is_answered_without_torch():
    code = (
        "import os, sys\n"
        "os.environ.update(_DGP_COMPLETE='bash_complete', COMP_WORDS='dgp colorize --class ho', COMP_CWORD='3')\n"
        "from dgp.cli.main import main\n"
        "try:\n    main([])\nfinally:\n    assert 'torch' not in sys.modules\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert said.stdout == "plain,horse\n" and said.returncode == 0, said.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_script_for_each_shell(shell):
    kind = click.shell_completion.get_completion_class(shell)
    assert "_DGP_COMPLETE" in kind.source_template % kind(main, {}, "dgp", "_DGP_COMPLETE").source_vars()

"""Commands that the READMEs and the pages on batches show can be typed: words, options, recipes, settings."""

import re
import shlex
from pathlib import Path

import click
import pytest

import degradations
from dgp.cli.batch.commands import BatchGroup
from dgp.cli.main import main
from dgp.recipes.load import load_recipe, recipe_names

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / name for name in ("README.md", "benchmarks/README.md", "docs/batch.md", "docs/capacity.md")]
# In a block of commands, or in backticks in running text and tables.
SHOWN = re.compile(r"(?:^ *|`)((?:dgp|python benchmarks/\S+) [^`\n#]+)", re.MULTILINE)


def commands(page: Path) -> list[str]:
    return [found[1].strip() for found in SHOWN.finditer(page.read_text(encoding="utf-8"))]


def parsed(words: list[str]) -> dict:
    """The parameters that click makes of the words after `dgp`. UsageError for what cannot be typed."""
    command, context = main, click.Context(main, **main.context_settings)
    while isinstance(command, click.Group) and words:
        if isinstance(command, BatchGroup):
            words = command.complete_call(words, context.help_option_names)
        name, *words = words
        command = command.get_command(context, name)
        assert command, f"there is no {name!r}"
    if not words:  # the name of a command in running text
        return {}
    try:
        return command.make_context(command.name, list(words), parent=context).params
    except click.exceptions.Exit:  # -h
        return {}


def test_commands_are_found():
    assert len(commands(PAGES[0])) >= 20 and any(text.startswith("python") for text in commands(PAGES[1]))


@pytest.mark.parametrize("text", sorted({text for page in PAGES for text in commands(page)}))
def test_a_shown_command_can_be_typed(text, tmp_path, monkeypatch):
    (tmp_path / "out/photo").mkdir(parents=True)  # of an earlier run
    monkeypatch.chdir(tmp_path)
    program, *words = shlex.split(text)
    if program == "python":
        assert (ROOT / words[0]).is_file()
        return
    if "COMMAND" in words:
        return
    given = parsed(words)
    for name in (given.get("recipes") or given.get("recipe") or "").split(","):
        if name in recipe_names():
            load_recipe(name, given.get("overrides") or ())
        else:
            assert not name or name.endswith(".toml"), f"there is no recipe {name!r}"
    specs = given.get("specs") or filter(None, [given.get("degradation")])
    for spec in [] if given.get("plugins") else specs:
        degradations.parse(spec)

"""What takes long says so where somebody watches, and nowhere else."""

import io
import sys
import types
from pathlib import Path

import pytest
import torch

import dgp
import generators
from dgp import progress
from dgp.identify import ranking, regression
from dgp.progress import Display, display, report_steps
from generators import bank
from generators.progress import listener, listening, report, waiting
from generators.statistics import latent_statistics as statistics
from tests.families import family

RECIPE = dgp.load_recipe(Path(__file__).parents[1] / "cli" / "tiny.toml", ("searches.0.count=6", "stages.0.steps=2"))


class Terminal(io.StringIO):
    def isatty(self):
        return True

    @property
    def line(self):
        """What is left on the last line."""
        return self.getvalue().rpartition("\r")[2].strip()


@pytest.fixture
def terminal(monkeypatch):
    """What stderr is to ``dgp.progress``; pytest puts its own in the place of sys.stderr."""
    screen = Terminal()
    # Tests of notebooks may have been run by the same process.
    modules = {name: module for name, module in sys.modules.items() if name != "ipykernel"}
    monkeypatch.setattr(progress, "sys", types.SimpleNamespace(stderr=screen, modules=modules))
    return screen


@pytest.fixture
def heard():
    """(words, done, total) of every report, in turn."""
    said = []
    with listening(lambda *report: said.append(report)):
        yield said


def picture():
    return torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_words_and_bars_are_shown_and_cleared(terminal):
    with display(prefix="a.png"):
        with waiting("loading"):
            assert "a.png: loading ..." in terminal.getvalue()
        assert not terminal.line
        for step in range(1, 4):
            report("walking", step, 3)
        assert "a.png: walking" in terminal.getvalue() and not terminal.line, "what is done is cleared"
        report("walking", 1, 3)
    assert not terminal.line, "and so is what was left when the block ended"


def test_an_inner_wait_gives_way_to_the_outer_one(heard):
    with waiting("outer"), waiting("inner"):
        report("counting", 1, 1)
    words = [said for said, *_ in heard]
    assert words == ["outer", "inner", "counting", "inner", "outer", ""]


def test_a_failure_leaves_a_clean_line(terminal):
    with pytest.raises(ValueError), display(), waiting("trying"):
        raise ValueError
    assert not terminal.line and listener() is None


def test_nothing_is_shown_without_a_terminal_or_when_asked_not_to(monkeypatch, terminal):
    with display(False), display(prefix="inner"):
        report("loading")
        report("walking", 1, 3)
    assert not terminal.getvalue()
    progress.sys.stderr = io.StringIO()
    with display():
        report("loading")
    assert not progress.sys.stderr.getvalue() and not terminal.getvalue()


def test_a_run_says_what_it_waits_for(terminal):
    prior = generators.load("toy")
    result = dgp.restore(picture(), "gray", prior, recipe=RECIPE, simulate=True)
    shown = terminal.getvalue()
    for words in ("preparing the picture", "searching for a start and a class", "latents", "finishing and measuring"):
        assert f"picture: {words}" in shown, words
    assert not terminal.line
    dgp.restore(picture(), "gray", prior, recipe=RECIPE, simulate=True, progress=False)
    assert terminal.getvalue() == shown
    assert result.timing["estimate_s"] > 0


def test_a_search_ends_where_it_was_said_to(heard):
    prior = generators.load("toy")
    observations = [dgp.observe(picture() * scale, "gray", prior, simulate=True) for scale in (1, 0.5)]
    heard.clear()
    for _ in report_steps(dgp.Inversion(observations, prior, RECIPE, num_solutions=2)):
        pass
    searched = [(done, total) for words, done, total in heard if words.startswith("searching") and total]
    assert searched[0][0] == 0 and searched[-1][0] == searched[-1][1], "the last evaluation is all there is to do"
    assert [done for done, _ in searched] == sorted(done for done, _ in searched)
    assert [done for words, done, total in heard if total == RECIPE.steps] == [1, 2, 3]


def test_loading_and_drawing_and_measuring_are_reported(heard, tmp_path, monkeypatch):
    monkeypatch.setenv("DGP_CACHE", str(tmp_path))
    monkeypatch.setattr(bank, "SHARD", 12)
    prior = generators.load("toy")
    assert ("loading toy", None, None) in heard
    bank.get_bank(prior, 20)
    assert [report[1:] for report in heard if "drawing pictures" in report[0]] == [(12, 24), (24, 24)]
    monkeypatch.setattr(statistics, "CHUNK", 100)
    style = family("stylegan2")
    assert statistics.Statistics(style.generator, "")._measure(250, lambda w: w, False)["mean"].shape
    assert [report[1:] for report in heard if "distribution of w" in report[0]] == [(100, 250), (200, 250), (250, 250)]


def test_learning_is_reported(heard, monkeypatch, tmp_path):
    monkeypatch.setenv("DGP_CACHE", str(tmp_path))
    x = torch.randn(40, 5)
    regression.train(x, 1, lambda out, index: (out[:, 0] - x[index, 0]).square().mean(), 8, 0, "learning")
    assert [report[1:] for report in heard if report[0] == "learning"] == [(step, 8) for step in range(1, 9)]
    heard.clear()
    monkeypatch.setattr(ranking, "CHAINS", ranking.CHAINS[:3])
    monkeypatch.setattr(ranking, "COUNTS", (20, 20, 20, 20))
    monkeypatch.setattr(ranking, "POOL", 20)
    monkeypatch.setattr(bank, "SHARD", 20)
    ranking._table(generators.load("toy"), 32, 0)
    assert [report[1:] for report in heard if "damaging" in report[0]] == [(1, 3), (2, 3), (3, 3)]


def test_saving_is_reported(heard, tmp_path):
    result = dgp.restore(picture(), "gray", generators.load("toy"), recipe=RECIPE, simulate=True)
    heard.clear()
    result.save(tmp_path)
    assert {"compressing the pictures", "bringing the answer to the input's size", "writing the files"} <= {
        words for words, *_ in heard
    }


def test_the_words_change_without_a_new_bar(terminal):
    shows = Display(True)
    shows("one", 1, 10)
    bar = shows._bar
    shows("two", 2, 10)
    assert shows._bar is bar and bar.n == 2
    shows("three", 1, 5)
    assert shows._bar is not bar
    shows.close()


def test_a_notebook_is_watched_like_a_terminal(terminal):
    assert progress.is_interactive()
    progress.sys.stderr, progress.sys.modules = io.StringIO(), {"torch": torch}
    assert not progress.is_interactive()
    progress.sys.modules["ipykernel"] = None
    assert progress.is_interactive()

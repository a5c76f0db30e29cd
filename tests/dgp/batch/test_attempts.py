"""Attempts are counted in one place: three times, then failed.json."""

import json

import pytest

from dgp.batch.attempts import TIMES, Attempts
from dgp.batch.batch_files import RECORD
from dgp.batch.outcome import Attempt, Outcome
from dgp.batch.report import read_state
from dgp.batch.unit import Unit
from dgp.output.run_folder import read_record

UNITS = [Unit(1, "a.png", "a"), Unit(2, "b.png", "b"), Unit(3, "c.png", "c")]


@pytest.fixture
def attempts(tmp_path):
    return Attempts(UNITS, tmp_path)


def failed(attempt, **fields):
    return Outcome(attempt, "failed", **{"reason": f"reason {attempt.number}", "exit_code": 1} | fields)


def test_a_unit_that_fails_three_times_is_given_up(attempts, tmp_path):
    taken = []
    while (attempt := attempts.take()) is not None:
        taken.append((attempt.unit.number, attempt.number))
        settled = attempts.settle(failed(attempt) if attempt.unit.number == 2 else Outcome(attempt, "done"))
        assert settled == (attempt.unit.number != 2 or attempt.number == TIMES)
    assert taken == [(1, 1), (2, 1), (3, 1), (2, 2), (2, 3)]
    record = read_record(tmp_path / "b/failed.json", RECORD)
    assert [one["reason"] for one in record["attempts"]] == ["reason 1", "reason 2", "reason 3"]
    assert record["reason"] == "reason 3" and record["exit_code"] == 1 and record["number"] == 2
    assert read_state(tmp_path, UNITS[1]).reason == "reason 3"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b"]


def test_what_a_repetition_cannot_change_is_not_repeated(attempts, tmp_path):
    assert attempts.settle(failed(attempts.take(), lasting=True, exit_code=2))
    assert len(read_record(tmp_path / "a/failed.json", RECORD)["attempts"]) == 1


def test_a_fault_of_the_place_is_not_held_against_the_unit(attempts, tmp_path):
    assert attempts.settle(failed(attempts.take(), of_place=True, lasting=True))
    assert not list(tmp_path.iterdir())


def test_a_result_of_another_process_stands(attempts, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/result.json").write_text(json.dumps({"schema": 1, "status": "done"}))
    assert attempts.settle(failed(attempts.take(), lasting=True))
    assert read_state(tmp_path, UNITS[0]).status == "done" and not (tmp_path / "a/failed.json").exists()


def test_success_removes_the_failure(attempts, tmp_path):
    attempt = attempts.take()
    attempts.settle(failed(attempt, lasting=True))
    attempts.settle(Outcome(attempt, "done"))
    assert not (tmp_path / "a/failed.json").exists()


def test_nothing_is_handed_out_after_a_signal(attempts):
    attempt = attempts.take()
    attempts.stopping = 15
    assert attempts.take() is None and attempts.settle(Outcome(attempt, "interrupted"))


def test_an_attempt_knows_its_number():
    assert Attempt(UNITS[0]).number == 1

"""A run that diverges saves what it had, says so, and is complete."""

from pathlib import Path

DIVERGES = """
name = "diverges"
summary = "Steps of 1e38, after which no objective is a number."
cites = []

[[searches]]
kind = "best-of"
count = 1
terms = ["mse"]

[[stages]]
steps = 20
lr = 1e38
move.z.optimizer = "sgd"
terms = ["mse"]
"""


def test_a_diverged_run_is_a_result(call, photo, tmp_path):
    (tmp_path / "diverges.toml").write_text(DIVERGES)
    command = ("restore", photo, "-d", "gray", "-p", "toy", "-r", "diverges.toml", "--json")
    first = call(*command)
    assert first.json["status"] == "diverged"
    assert first.json["diverged"] == [{"solution": 0, "stage": "stage 1", "iteration": 18}]
    (warning,) = [line for line in first.stderr.splitlines() if "warning" in line]
    assert "solution 0 diverged in stage 1, step 19" in warning and "stages.*.lr" in warning
    assert Path("out/photo/restored.png").exists() and len(first.json["files"]) >= 6
    again = call(*command)
    assert "done already" in again.stderr and again.json == first.json

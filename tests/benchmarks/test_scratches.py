"""The scoring of benchmarks/quality/scratches.py."""

import json

import numpy as np
from PIL import Image


def test_scores():
    import scratches

    picture, truth = scratches.damage(Image.new("RGB", (80, 60), (90, 120, 140)), {"scratches": 3}, 0, None)
    assert truth.any() and (np.asarray(picture)[~truth] == (90, 120, 140)).all()
    assert scratches.scores(truth, truth) == {"precision": 1, "recall": 1, "wrong": 0}
    nothing, all_ = np.zeros_like(truth), np.ones_like(truth)
    assert scratches.scores(nothing, truth) == {"precision": None, "recall": 0, "wrong": 0}
    assert scratches.scores(all_, truth)["precision"] < 0.3 and scratches.scores(all_, nothing)["recall"] is None
    assert scratches.mean([{"a": 1.0, "b": None}, {"a": 2.0, "b": None}]) == {"a": 1.5, "b": None, "pictures": 2}


def test_it_runs(tmp_path, monkeypatch, capsys):
    import scratches

    for name in "ab":
        Image.fromarray(np.full((40, 50, 3), 120, np.uint8)).save(tmp_path / f"{name}.png")
    monkeypatch.setattr("sys.argv", ["scratches.py", str(tmp_path), "--kinds", "scratches", "none"])
    scratches.main()
    told = json.loads(capsys.readouterr().out)["results"]
    assert set(told["scratches"]) == {"found, fitted on", "found, others", "top-hat, fitted on", "top-hat, others"}
    assert told["scratches"]["found, others"]["recall"] > 0.5 and told["none"]["found, others"]["wrong"] == 0
    assert told["none"]["found, others"]["precision"] is None

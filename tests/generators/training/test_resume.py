"""A run that was killed goes on as if it had not been."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from generators.training.loop import checkpoint
from tests.generators.training.runs import TINY, archive, arguments, trained

STEPS = 12
SPARSE = f"--pictures {8 * STEPS} --decay 40 --augment 1"


@pytest.mark.parametrize("arch", TINY)
def test_a_killed_run_goes_on_to_the_losses_and_weights_of_one_that_was_not(arch, tmp_path):
    data = archive(tmp_path / "data.zip", TINY[arch][0], 20)  # several shuffles long
    trained(arch, data, tmp_path / "whole", SPARSE)

    frequent = arguments(arch, data, tmp_path / "killed", SPARSE + " --save-minutes 0.001")
    process = subprocess.Popen([sys.executable, "-m", "generators.training", *frequent], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (tmp_path / "killed" / checkpoint.NAME).exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert 0 < checkpoint.load_state(tmp_path / "killed")["steps"] < STEPS
    assert "goes on at" in trained(arch, data, tmp_path / "killed", SPARSE)

    logs = [(tmp_path / name / checkpoint.LOG).read_text() for name in ("whole", "killed")]
    assert logs[0] == logs[1] and len(logs[0].splitlines()) == STEPS
    whole, killed = (checkpoint.load_state(tmp_path / name) for name in ("whole", "killed"))
    for network, values in whole["networks"].items():
        for name, value in values.items():
            assert torch.equal(value, killed["networks"][network][name]), (network, name)


def test_lines_after_the_checkpoint_and_lines_cut_off_are_taken_out_of_the_log(tmp_path):
    (tmp_path / checkpoint.LOG).write_text('{"steps": 1, "d": 0.5}\n{"steps": 2, "d": 0.4}\n{"steps": 3, "d')
    log = checkpoint.Log(tmp_path, 1)
    log.add({"steps": 2, "d": 0.3})
    assert log.path.read_text() == '{"steps": 1, "d": 0.5}\n{"steps": 2, "d": 0.3}\n'

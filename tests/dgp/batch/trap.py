"""A plugin whose operator ends, or holds up, the process that opens a picture of a certain width."""

import os
import signal
import time

import degradations

KILLED, EXITED, HELD_UP = 40, 41, 42


@degradations.register("trap-of-tests")
class Trap(degradations.Degradation):
    """Nothing is changed."""

    linear = True

    def forward(self, x):
        return x

    def build(self, picture=None, seed=0, size=None):
        width = picture.width if picture is not None else 0
        if width == KILLED:
            os.kill(os.getpid(), signal.SIGKILL)
        if width == EXITED:
            os._exit(0)
        if width == HELD_UP:
            time.sleep(3600)
        return self

"""A plugin whose operator slows the steps as long as there is a file called slow, so that tests meet runs half-way."""

import time
from pathlib import Path

import degradations


@degradations.register("slow-of-tests")
class Slow(degradations.Degradation):
    """Nothing is changed."""

    def forward(self, x):
        if x.requires_grad and Path("slow").exists():
            time.sleep(0.2)
        return x

"""Wall and process times of implementations whose repetitions alternate."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field


@dataclass
class Times:
    """The times of the repetitions of one implementation, in seconds."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def measure(self, action):
        """Call a function, record its time, and return its result."""
        wall, cpu = time.perf_counter(), time.process_time()
        result = action()
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)
        return result

    def medians(self, parts: int = 1) -> dict[str, float]:
        """Return the median times, divided by `parts`."""
        return {"wall_s": statistics.median(self.wall) / parts, "cpu_s": statistics.median(self.cpu) / parts}


def ratio(slow: Times, fast: Times) -> dict[str, float]:
    """Return how many times longer `slow` takes than `fast`."""
    a, b = slow.medians(), fast.medians()
    return {"wall": a["wall_s"] / b["wall_s"], "cpu": a["cpu_s"] / b["cpu_s"]}

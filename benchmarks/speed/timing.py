"""Wall and process seconds of contestants that take turns."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field


@dataclass
class Times:
    """Wall and process seconds of the repetitions of one contestant."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def measure(self, action):
        wall, cpu = time.perf_counter(), time.process_time()
        result = action()
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)
        return result

    def medians(self, parts: int = 1) -> dict[str, float]:
        return {"wall_s": statistics.median(self.wall) / parts, "cpu_s": statistics.median(self.cpu) / parts}


def ratio(slow: Times, fast: Times) -> dict[str, float]:
    a, b = slow.medians(), fast.medians()
    return {"wall": a["wall_s"] / b["wall_s"], "cpu": a["cpu_s"] / b["cpu_s"]}

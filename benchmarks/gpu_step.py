"""The cost of a step on a GPU: the first stage of dgp-colorization on a BigGAN, and a latent step of StyleGAN2.

    python benchmarks/gpu_step.py --output gpu_step.json --seconds 100
    python benchmarks/gpu_step.py --device cpu --resolution 64 --ch 8 --style-resolution 8 --rows 1 2 --output s.json

The weights are random, as their values do not change the cost. Each combination of a number of pictures and a precision
is a case, for which these figures are measured: seconds per step (median, with synchronisation), pictures per second,
peak memory, the floating-point operations of a step (counted by torch) as a share of those that the fastest of a few
plain convolutions reaches in the same precision, and the share of the time in which the device was busy, from a trace
of a few steps. Cases are started as long as ``--seconds`` have not passed. If a case fails, its error is recorded, and
the others continue. bf16 is autocast around the network of StyleGAN2; the engine has no such option yet.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from speed.random_prior import random_prior
from speed.steps import candidates, colorization, config_f, latent
from torch.utils.flop_counter import FlopCounterMode

from dgp.recipes.load import load_recipe

PRECISIONS = {"float32": (False, False), "tf32": (True, False), "bf16": (True, True)}  # TF32 allowed, autocast
ENGINE = ("float32", "tf32")
PEAKS = ((8, 256, 64), (32, 512, 32), (32, 1024, 16))  # rows, channels, side of 3x3 convolutions
TRACED = 5  # steps for one picture; fewer for more pictures, as every row has its own kernels


@dataclass(frozen=True)
class Limits:
    """The device and the time limits of the measurements.

    Attributes:
        device: "cuda" or "cpu".
        until: time (time.perf_counter) after which no case is started.
        fill: seconds for which a case is measured.
    """

    device: str
    until: float
    fill: float

    @property
    def over(self) -> bool:
        return time.perf_counter() > self.until

    def wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()

    def measure_steps(self, step: Callable[[], object]) -> list[float]:
        """Return the seconds of each step, synchronised; at least three steps, until `fill` seconds have passed."""
        seconds = []
        while len(seconds) < 3 or sum(seconds) < self.fill:
            self.wait()
            begin = time.perf_counter()
            step()
            self.wait()
            seconds.append(time.perf_counter() - begin)
        return seconds


@contextlib.contextmanager
def precision(name: str, device: str) -> Iterator[None]:
    """Set the precision of the block: a key of `PRECISIONS`."""
    allowed, autocast = PRECISIONS[name]
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
    with torch.autocast(device, torch.bfloat16, enabled=autocast):
        yield


def peak(limits: Limits, name: str) -> float:
    """Return the operations per second of the fastest plain convolution."""
    best = 0.0
    for rows, channels, side in PEAKS if limits.device == "cuda" else ((1, 16, 16),):
        x = torch.randn(rows, channels, side, side, device=limits.device).contiguous(memory_format=torch.channels_last)
        w = torch.randn(channels, channels, 3, 3, device=limits.device).contiguous(memory_format=torch.channels_last)
        x, w = (x.bfloat16(), w.bfloat16()) if name == "bf16" else (x, w)
        with precision(name, limits.device), torch.no_grad():
            for _ in range(2):
                F.conv2d(x, w, padding=1)
            limits.wait()
            begin, repeats = time.perf_counter(), 0
            while time.perf_counter() - begin < limits.fill / 10 or not repeats:
                for _ in range(10 if limits.device == "cuda" else 1):
                    F.conv2d(x, w, padding=1)
                    repeats += 1
                limits.wait()
            seconds = time.perf_counter() - begin
        best = max(best, 2 * rows * channels * channels * 9 * side * side * repeats / seconds)
    return best


def trace_steps(limits: Limits, step: Callable[[], object], rows: int) -> dict[str, float] | None:
    """Trace a few steps; return the share of time in which a kernel or copy ran, and their number per step."""
    if limits.device != "cuda":
        return None
    from torch.profiler import ProfilerActivity, profile

    traced = max(1, TRACED // rows)
    limits.wait()
    with profile(activities=[ProfilerActivity.CUDA]) as trace:
        begin = time.perf_counter()
        for _ in range(traced):
            step()
        limits.wait()
        seconds = time.perf_counter() - begin
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in trace.events()
        if event.device_type == torch.autograd.DeviceType.CUDA
    )
    covered, end = 0.0, float("-inf")
    for start, stop in spans:
        covered, end = covered + max(0.0, stop - max(start, end)), max(end, stop)
    return {
        "busy": covered / 1e6 / seconds,
        "kernels_a_step": len(spans) / traced,
        "kernel_seconds_a_step": covered / 1e6 / traced,
    }


def measure(limits: Limits, step: Callable[[], object], pictures: int, name: str, fastest: float) -> dict:
    """Return the figures of a case.

    Args:
        limits: the device and the time limits.
        step: takes a step.
        pictures: number of pictures of the case.
        name: precision, a key of `PRECISIONS`.
        fastest: operations per second of the fastest plain convolution.
    """
    with precision(name, limits.device):
        for _ in range(2):
            step()  # not measured: optimiser states, and the choice of algorithms by libraries
        with FlopCounterMode(display=False) as counter:
            step()
        if limits.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        seconds = limits.measure_steps(step)
        memory = torch.cuda.max_memory_allocated() if limits.device == "cuda" else None
        try:
            traced = trace_steps(limits, step, pictures)
        except Exception as error:  # the times are still useful without the trace
            traced = {"error": describe_error(error)}
    median = statistics.median(seconds)
    operations = counter.get_total_flops()
    return {
        "s_per_step": median,
        "fastest_s": min(seconds),
        "steps": len(seconds),
        "pictures_per_s": pictures / median,
        "peak_bytes": memory,
        "operations_per_step": operations,
        "share_of_peak": operations / median / fastest,
        "trace": traced,
    }


def describe_error(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:120]}".splitlines()[0]


def table(report: dict) -> str:
    """Return the report as a table of text."""
    peaks = ", ".join(f"{name} {value / 1e12:.1f}" for name, value in report["peaks"].items())
    lines = [
        f"{report['machine']}, torch {report['torch']}; fastest plain convolution, tera-operations a second: {peaks}",
        f"{'step of':34}{'at once':>8}{'':>9}{'s/step':>10}{'pictures/s':>12}{'GB':>7}{'of peak':>9}{'busy':>7}"
        f"{'kernels':>9}",
    ]
    for case in report["cases"]:
        head = f"{case['step']:34}{case['rows']:8}{case['precision']:>9}"
        if "error" in case:
            lines.append(f"{head}  {case['error']}")
            continue
        memory = "" if case["peak_bytes"] is None else f"{case['peak_bytes'] / 1e9:.1f}"
        trace = case["trace"] or {}
        share = f"{trace['busy']:.0%}" if "busy" in trace else ""
        kernels = f"{trace['kernels_a_step']:.0f}" if "busy" in trace else ""
        lines.append(
            f"{head}{case['s_per_step']:10.4f}{case['pictures_per_s']:12.2f}{memory:>7}{case['share_of_peak']:9.1%}"
            f"{share:>7}{kernels:>9}"
        )
    return "\n".join(lines + [f"not measured in the time: {', '.join(report['left_out']) or 'nothing'}"])


def cases(options: argparse.Namespace) -> Iterator[tuple[str, int, str, Callable[[], Callable[[], object]]]]:
    """Yield (description, rows, precision, function that returns a step) of each case, most important first."""
    prior = random_prior(options.resolution, options.ch, min(64, options.resolution // 2)).to(options.device)
    style = config_f(options.style_resolution).to(options.device)
    name, side = f"BigGAN {options.resolution} px, ch {options.ch}", options.style_resolution
    for how in ENGINE:
        for rows in options.rows:
            yield f"{name}, stage 1", rows, how, lambda n=rows: colorization(prior, n, options.device, 0)
    for how in PRECISIONS:
        for rows in options.rows:
            yield f"StyleGAN2 {side} px, w+", rows, how, lambda n=rows: latent(style, n)
    last = len(load_recipe("dgp-colorization").stages) - 1
    for how in ENGINE:
        rows = options.rows[len(options.rows) // 2]
        yield f"{name}, stage {last + 1}", rows, how, lambda n=rows: colorization(prior, n, options.device, last)
        yield f"{name}, search", options.rows[-1], how, lambda: candidates(prior, options.rows[-1], options.device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--resolution", type=int, default=128, help="resolution of the BigGAN")
    parser.add_argument("--ch", type=int, default=96, help="channel multiplier of the BigGAN")
    parser.add_argument("--style-resolution", type=int, default=256, help="resolution of the StyleGAN2")
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 8, 32], help="numbers of pictures")
    parser.add_argument("--seconds", type=float, default=100.0, help="no case is started later")
    parser.add_argument("--fill", type=float, default=1.5, help="seconds for which a case is measured")
    parser.add_argument("--output", required=True, metavar="FILE", help="the JSON file for all figures")
    options = parser.parse_args()
    torch.manual_seed(0)
    limits = Limits(options.device, time.perf_counter() + options.seconds, options.fill)
    machine = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    report = {"machine": machine, "torch": torch.__version__, **vars(options)}
    report |= {"peaks": {name: peak(limits, name) for name in PRECISIONS}, "cases": [], "left_out": []}
    for step, rows, how, make in cases(options):
        if limits.over:
            report["left_out"].append(f"{step}, {rows} in {how}")
            continue
        case = {"step": step, "rows": rows, "precision": how}
        try:
            case |= measure(limits, make(), pictures=rows, name=how, fastest=report["peaks"][how])
        except Exception as error:  # the other cases can still be measured
            case["error"] = describe_error(error)
        if options.device == "cuda":
            torch.cuda.empty_cache()
        report["cases"].append(case)
        with open(options.output, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
    with open(options.output, "w", encoding="utf-8") as file:
        json.dump(report, file, indent=1)
    print(table(report))


if __name__ == "__main__":
    main()

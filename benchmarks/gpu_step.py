"""What a step costs on a GPU: the first stage of dgp-colorization on a BigGAN, and a latent step of StyleGAN2.

    python benchmarks/gpu_step.py --output gpu_step.json --seconds 100
    python benchmarks/gpu_step.py --device cpu --resolution 64 --ch 8 --style-resolution 8 --rows 1 2 --output s.json

Weights are random, since values do not change the cost. Every combination of pictures at once and of precision is one
case: seconds a step (median, with the device waited for), pictures a second, the highest memory, the floating-point
operations of a step (counted by torch) as a share of what the fastest of a few plain convolutions reaches in the same
precision, and the share of the time in which the device was busy, of a trace of a few steps. Cases are begun while
there are ``--seconds`` left; one that fails says why, and the others go on. bf16 is autocast around the network of
StyleGAN2; the engine has no such option yet.
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
from torch.utils.flop_counter import FlopCounterMode

from dgp.inversion import Inversion
from dgp.observation.observation import observe
from dgp.recipes.recipe import load_recipe
from generators import Prior
from generators.stylegan.stylegan2 import StyleGAN2, StyleGAN2Config

PRECISIONS = {"float32": (False, False), "tf32": (True, False), "bf16": (True, True)}  # TF32 allowed, autocast
ENGINE = ("float32", "tf32")
PEAKS = ((8, 256, 64), (32, 512, 32), (32, 1024, 16))  # rows, channels, side of 3x3 convolutions
TRACED = 5  # steps of one picture; of more fewer, since every row has kernels of its own


@dataclass(frozen=True)
class Room:
    """Where cases run, and until when. fill: seconds that one is measured for."""

    device: str
    until: float
    fill: float

    @property
    def over(self) -> bool:
        return time.perf_counter() > self.until

    def wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()

    def timed(self, step: Callable[[], object]) -> list[float]:
        """Seconds of steps, each waited for: at least three, as many as fill the time."""
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
    allowed, autocast = PRECISIONS[name]
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
    with torch.autocast(device, torch.bfloat16, enabled=autocast):
        yield


def peak(room: Room, name: str) -> float:
    """Operations a second of the fastest plain convolution."""
    best = 0.0
    for rows, channels, side in PEAKS if room.device == "cuda" else ((1, 16, 16),):
        x = torch.randn(rows, channels, side, side, device=room.device).contiguous(memory_format=torch.channels_last)
        w = torch.randn(channels, channels, 3, 3, device=room.device).contiguous(memory_format=torch.channels_last)
        x, w = (x.bfloat16(), w.bfloat16()) if name == "bf16" else (x, w)
        with precision(name, room.device), torch.no_grad():
            for _ in range(2):
                F.conv2d(x, w, padding=1)
            room.wait()
            begin, repeats = time.perf_counter(), 0
            while time.perf_counter() - begin < room.fill / 10 or not repeats:
                for _ in range(10 if room.device == "cuda" else 1):
                    F.conv2d(x, w, padding=1)
                    repeats += 1
                room.wait()
            seconds = time.perf_counter() - begin
        best = max(best, 2 * rows * channels * channels * 9 * side * side * repeats / seconds)
    return best


def busy(room: Room, step: Callable[[], object], rows: int) -> dict[str, float] | None:
    """Of a trace of a few steps: the share of the time in which a kernel or copy ran, and how many of them a step."""
    if room.device != "cuda":
        return None
    from torch.profiler import ProfilerActivity, profile

    traced = max(1, TRACED // rows)
    room.wait()
    with profile(activities=[ProfilerActivity.CUDA]) as trace:
        begin = time.perf_counter()
        for _ in range(traced):
            step()
        room.wait()
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


def measured(room: Room, step: Callable[[], object], pictures: int, name: str, fastest: float) -> dict:
    with precision(name, room.device):
        for _ in range(2):
            step()  # not measured: optimisers make their state, and libraries choose
        with FlopCounterMode(display=False) as counter:
            step()
        if room.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        seconds = room.timed(step)
        memory = torch.cuda.max_memory_allocated() if room.device == "cuda" else None
        try:
            traced = busy(room, step, pictures)
        except Exception as error:  # the times are worth having
            traced = {"error": said(error)}
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


def colorization(prior: Prior, pictures: int, device: str, stage: int) -> Callable[[], object]:
    """Steps of one stage of the recipe for so many different pictures, without end, each with weights of its own."""
    side, recipe = prior.generator.info.resolution, load_recipe("dgp-colorization")
    one = recipe.stages[stage].model_copy(update={"steps": 10**6})
    recipe = recipe.model_copy(update={"stages": (one,)})
    random = torch.Generator().manual_seed(4)
    observations = []
    for _ in range(pictures):
        blurred = F.interpolate(torch.rand(1, 3, 8, 8, generator=random), side, mode="bicubic")[0]
        clean = blurred.clamp(0, 1) * 2 - 1
        observations.append(observe(clean, recipe.operator, prior, label=7, simulate=True, target="float"))
    z = torch.randn(pictures, prior.generator.config.dim_z, generator=random) / 2
    start = {"z": z, "class": prior.generator.embed(torch.full((pictures,), 7)).cpu()}
    steps = iter(Inversion(observations, prior, recipe, start=start, device=device))
    return lambda: next(steps)


def candidates(prior: Prior, rows: int, device: str) -> Callable[[], object]:
    """Scores so many candidates of a search."""
    recipe = load_recipe("dgp-colorization")
    side = prior.generator.info.resolution
    observation = observe(torch.zeros(3, side, side), recipe.operator, prior, label=7, simulate=True, target="float")
    problem = Inversion(observation, prior, recipe, device=device).problem
    found, search = problem.draw(0, 0, rows), recipe.searches[0]
    return lambda: problem.rank(found, search.terms, search.through)


def latent(network: StyleGAN2, rows: int) -> Callable[[], object]:
    """Forward, and backward to w+."""
    w = torch.randn(rows, network.num_ws, network.config.w_dim, generator=torch.Generator().manual_seed(5))
    w = w.to(network.device).requires_grad_()

    def step():
        w.grad = None
        network({"w+": w}).square().mean().backward()

    return step


def config_f(resolution: int) -> StyleGAN2:
    """The channels of config F (Karras et al. 2020)."""
    channels = [min(512, 2**15 // 2**k) for k in range(2, resolution.bit_length())]
    config = StyleGAN2Config(resolution, tuple(channels), z_dim=512, w_dim=512, mapping_layers=2, mapping_width=512)
    network = StyleGAN2(config)
    return network.eval().requires_grad_(False)


def said(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:120]}".splitlines()[0]


def table(report: dict) -> str:
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
    return "\n".join(lines + [f"left out for want of time: {', '.join(report['left_out']) or 'nothing'}"])


def cases(options: argparse.Namespace) -> Iterator[tuple[str, int, str, Callable[[], Callable[[], object]]]]:
    """(what, rows, precision, what makes a step), what matters most first."""
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
    parser.add_argument("--resolution", type=int, default=128, help="of the BigGAN")
    parser.add_argument("--ch", type=int, default=96, help="its width")
    parser.add_argument("--style-resolution", type=int, default=256, help="of the StyleGAN2")
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 8, 32], help="pictures at once")
    parser.add_argument("--seconds", type=float, default=100.0, help="no case is begun later")
    parser.add_argument("--fill", type=float, default=1.5, help="seconds that a case is measured for")
    parser.add_argument("--output", required=True, metavar="FILE", help="all figures, as JSON")
    options = parser.parse_args()
    torch.manual_seed(0)
    room = Room(options.device, time.perf_counter() + options.seconds, options.fill)
    machine = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    report = {"machine": machine, "torch": torch.__version__, **vars(options)}
    report |= {"peaks": {name: peak(room, name) for name in PRECISIONS}, "cases": [], "left_out": []}
    for step, rows, how, make in cases(options):
        if room.over:
            report["left_out"].append(f"{step}, {rows} in {how}")
            continue
        case = {"step": step, "rows": rows, "precision": how}
        try:
            case |= measured(room, make(), rows, how, report["peaks"][how])
        except Exception as error:  # the others are worth having
            case["error"] = said(error)
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

"""What one latent step of StyleGAN2 costs (forward, and backward to w+): rosinality's operations against ours, in one
run, on the same weights.

    python benchmarks/speed/stylegan2_step.py --resolution 256 --multiplier 2 --threads 1 --repeats 5 --json

Weights are random, since values do not change the cost. Repetitions of the contestants alternate, so that whatever
else the machine does falls on all of them; medians of wall and process time are reported. See README.md beside this.
"""

from __future__ import annotations

import argparse
import json
import platform

import published_stylegan2 as published
import torch
from timing import Times, ratio

from generators.checkpoints.families.stylegan2 import read_generator


@torch.no_grad()
def randomised(channels: dict[int, int]) -> published.Generator:
    """Parameters as they are initialised, but with biases and noise that do something."""
    network = published.Generator(channels)
    for name, parameter in network.named_parameters():
        if name.endswith(("activate.bias", "noise.weight")):
            parameter.normal_(0, 0.1)
    return network


def step(network, make_latents, w: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(picture, gradient at w+), everything that requires a gradient receiving it, as in a loop that calls backward."""
    w = w.clone().requires_grad_()
    picture = network(make_latents(w))
    picture.square().mean().backward()
    return picture.detach(), w.grad


def contest(resolution: int, multiplier: int, rows: int, repeats: int, chart: str) -> dict:
    torch.manual_seed(0)
    theirs = randomised(published.channels_of(resolution, multiplier))
    frozen, _ = read_generator(theirs.state_dict(), {}, "made here")
    frozen.requires_grad_(False)
    released, _ = read_generator(theirs.state_dict(), {}, "made here")
    w = torch.randn(rows, frozen.num_ws, frozen.config.w_dim)
    actions = {
        "published": lambda: step(theirs, lambda w: w, w),
        "ours": lambda: step(frozen, lambda w: {"w+": w}, w),
        "ours_released": lambda: step(released, lambda w: {"w+": w}, w),
    }
    if chart == "w++":
        rows_w = frozen.convert({"w+": w}, "w++")["w++"]
        actions["ours_w++"] = lambda: step(frozen, lambda w: {"w++": w}, rows_w)
    times, results = {name: Times() for name in actions}, {}
    for repeat in range(repeats + 1):
        for name, action in actions.items():
            for parameter in (*theirs.parameters(), *released.parameters()):
                parameter.grad = None
            results[name] = times[name].measure(action) if repeat else action()
    medians = {name: t.medians() for name, t in times.items()}
    (their_picture, their_gradient), (our_picture, our_gradient) = results["published"], results["ours"]
    return {
        **medians,
        "ratio": ratio(times["published"], times["ours"]),
        "largest_difference": {
            "picture": ((their_picture - our_picture).abs().max() / their_picture.abs().max()).item(),
            "gradient": ((their_gradient - our_gradient).abs().max() / their_gradient.abs().max()).item(),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolution", type=int, default=256, choices=(64, 128, 256, 512, 1024))
    parser.add_argument("--multiplier", type=int, default=2, choices=(1, 2), help="of the channels from 64 px on")
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--chart", choices=("w+", "w++"), default="w+", help="w++: measured besides")
    parser.add_argument("--json", action="store_true", help="print all figures")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    report = {"torch": torch.__version__, "machine": platform.machine(), "dtype": "float32", **vars(options)}
    report |= contest(options.resolution, options.multiplier, options.rows, options.repeats, options.chart)
    if options.json:
        print(json.dumps(report, indent=1))
        return
    for name in ("published", "ours", "ours_released", "ours_w++"):
        if name in report:
            print(f"{name:14}{report[name]['cpu_s']:8.3f} process seconds a step")
    print(f"{'ratio':14}{report['ratio']['cpu']:8.2f}   differences {report['largest_difference']}")


if __name__ == "__main__":
    main()

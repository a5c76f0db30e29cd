"""The cost of one latent step of StyleGAN2 (forward, and backward to w+): rosinality's implementation and ours.

    python benchmarks/speed/stylegan2_step.py --resolution 256 --multiplier 2 --threads 1 --repeats 5 --json

Both use the same random weights, whose values do not change the cost. Repetitions of the implementations alternate, so
that other load on the machine affects both; medians of wall and process time are reported. See benchmarks/README.md.
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
def randomise(channels: dict[int, int]) -> published.Generator:
    """Return a network as it is initialised, but with random biases and noise weights, which would be 0."""
    network = published.Generator(channels)
    for name, parameter in network.named_parameters():
        if name.endswith(("activate.bias", "noise.weight")):
            parameter.normal_(0, 0.1)
    return network


def step(network, make_latents, w: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Run forward and backward; return the picture and the gradient at w+."""
    w = w.clone().requires_grad_()
    picture = network(make_latents(w))
    picture.square().mean().backward()
    return picture.detach(), w.grad


def compare(resolution: int, multiplier: int, rows: int, repeats: int, chart: str) -> dict:
    """Measure all implementations, and compare their pictures and gradients."""
    torch.manual_seed(0)
    theirs = randomise(published.channels_of(resolution, multiplier))
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
    parser.add_argument("--multiplier", type=int, default=2, choices=(1, 2), help="of channels from 64 px on")
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--chart", choices=("w+", "w++"), default="w+", help="w++: measure it too")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    report = {"torch": torch.__version__, "machine": platform.machine(), "dtype": "float32", **vars(options)}
    report |= compare(options.resolution, options.multiplier, options.rows, options.repeats, options.chart)
    if options.json:
        print(json.dumps(report, indent=1))
        return
    for name in ("published", "ours", "ours_released", "ours_w++"):
        if name in report:
            print(f"{name:14}{report[name]['cpu_s']:8.3f} process seconds a step")
    print(f"{'ratio':14}{report['ratio']['cpu']:8.2f}   differences {report['largest_difference']}")


if __name__ == "__main__":
    main()

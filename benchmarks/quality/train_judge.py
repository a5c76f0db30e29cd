"""Train the judge of `dgp evaluate --judge`: a small classifier of 32-pixel pictures, on one CPU thread.

    python benchmarks/quality/train_judge.py cifar10-train.zip --licence MIT -o benchmarks/judge-cifar10.safetensors

The archive has a folder for each class. The last tenth of each folder, by name, is held out for measurement. `--test`
names further pictures to measure. After each epoch the state is saved beside the output (`.checkpoint`), from which a
repeated call continues; the weights are the same as without the interruption.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from dgp.evaluation.judge import SIDE, Network, load_judge, save_judge, to_judge_input
from dgp.evaluation.source import Source

WIDTHS = (32, 64, 128)
SHIFT = 4  # pixels, in each direction
HELD_OUT = 10  # one picture in ten is held out
BATCH = 200


def read(archive: str) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """Return pictures (N, 3, 32, 32) in [-1, 1], labels (N,) and class names, sorted by class and name."""
    source = Source(archive)
    pictures, folders = [], []
    for first in range(0, len(source.names), 1000):
        for clean in source.open(source.names[first : first + 1000]):
            pictures.append(to_judge_input(clean.picture.image))
            folders.append(clean.folder)
    classes = tuple(sorted(set(folders)))
    return torch.cat(pictures), torch.tensor([classes.index(folder) for folder in folders]), classes


def split(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the indices of the pictures to train on, and of those held out."""
    folders = [(labels == label).nonzero()[:, 0] for label in labels.unique()]
    kept = [len(folder) - len(folder) // HELD_OUT for folder in folders]
    parts = list(zip(folders, kept, strict=True))
    return torch.cat([f[:n] for f, n in parts]), torch.cat([f[n:] for f, n in parts])


def augment(x: Tensor, random: torch.Generator) -> Tensor:
    """Flip pictures (N, 3, H, W) at random and shift them, with mirrored borders."""
    n, height, width = len(x), *x.shape[-2:]
    down, right = (torch.randint(2 * SHIFT + 1, (n, 1), generator=random) for _ in range(2))
    flip = torch.rand(n, 1, generator=random) < 0.5
    rows, columns = torch.arange(height) + down, torch.arange(width) + right
    columns = torch.where(flip, columns.flip(1), columns)
    wide = F.pad(x, (SHIFT,) * 4, mode="reflect").permute(0, 2, 3, 1)
    return wide[torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


@torch.inference_mode()
def accuracy(network: Network, x: Tensor, labels: Tensor) -> float:
    """Return the share of pictures that are classified correctly."""
    network.eval()
    right = sum(
        int((network(a).argmax(1) == b).sum()) for a, b in zip(x.split(BATCH), labels.split(BATCH), strict=True)
    )
    return right / len(x)


def train(
    network: Network, x: Tensor, labels: Tensor, epochs: int, lr: float, seed: int, checkpoint: Path, report
) -> None:
    """Train by SGD with Nesterov's momentum.

    The learning rate rises linearly over a fifth of the steps, then falls along a cosine to zero.

    Args:
        network: the network.
        x: (N, 3, 32, 32) in [-1, 1].
        labels: (N,).
        epochs: number of epochs.
        lr: highest learning rate.
        seed: seed of the order and the augmentation.
        checkpoint: file of the state after each epoch.
        report: called with a line of text after each epoch.
    """
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), lr, momentum=0.9, weight_decay=5e-4, nesterov=True)
    steps = epochs * (len(x) // BATCH)
    done = 0
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        done = state["epochs"]
    for epoch in range(done, epochs):
        random = torch.Generator().manual_seed(seed * 1000 + epoch)
        order, begin, loss_sum = torch.randperm(len(x), generator=random), time.perf_counter(), 0.0
        network.train()
        for number in range(len(x) // BATCH):
            progress = (epoch * (len(x) // BATCH) + number) / steps
            rate = lr * (progress / 0.2 if progress < 0.2 else (1 + math.cos(math.pi * (progress - 0.2) / 0.8)) / 2)
            for group in optimizer.param_groups:
                group["lr"] = rate
            chosen = order[number * BATCH : (number + 1) * BATCH]
            batch = augment(x[chosen], random).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                logits = network(batch)
            loss = F.cross_entropy(logits.float(), labels[chosen])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            loss_sum += loss.item()
        state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "epochs": epoch + 1}
        draft = checkpoint.with_suffix(".draft")
        torch.save(state, draft)
        draft.replace(checkpoint)
        mean = loss_sum / (len(x) // BATCH)
        report(f"epoch {epoch + 1} of {epochs}: loss {mean:.3f}, {time.perf_counter() - begin:.0f} s")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", help="zip archive or folder of the training pictures")
    parser.add_argument("--test", help="further pictures to measure")
    parser.add_argument(
        "--data", default="CIFAR-10, training split (Krizhevsky 2009)", help="the name of the data in the model card"
    )
    parser.add_argument("--licence", default="MIT", help="licence of the weights")
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--lr", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, default=Path("judge.safetensors"))
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    x, labels, classes = read(options.archive)
    kept, held_out = split(labels)
    network = Network(len(classes), WIDTHS)
    checkpoint = options.output.with_suffix(".checkpoint")
    train(
        network,
        x[kept],
        labels[kept],
        epochs=options.epochs,
        lr=options.lr,
        seed=options.seed,
        checkpoint=checkpoint,
        report=lambda line: print(line, flush=True),
    )
    about = {"classes": classes, "widths": WIDTHS, "side": SIDE, "data": options.data, "licence": options.licence}
    about |= {"trained_on": len(kept), "epochs": options.epochs, "lr": options.lr, "seed": options.seed}
    # The accuracy is measured on the saved weights, which are rounded to half precision.
    save_judge(options.output, network, about | {"accuracy": {}})
    saved = load_judge(options.output).network
    measured = {"held out": {"accuracy": accuracy(saved, x[held_out], labels[held_out]), "n": len(held_out)}}
    if options.test:
        others, theirs, names = read(options.test)
        if names != classes:
            raise SystemExit(f"{options.test} has the classes {', '.join(names)}, expected {', '.join(classes)}")
        measured[Path(options.test).stem] = {"accuracy": accuracy(saved, others, theirs), "n": len(others)}
    save_judge(options.output, network, about | {"accuracy": measured})
    for name, found in measured.items():
        print(f"{name}: {found['accuracy']:.2%} of {found['n']}")


if __name__ == "__main__":
    main()

"""Training steps as CUDA graphs, which launch all kernels of a step at once, without Python between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

# Calls before a step is captured, in which cuDNN chooses algorithms and optimizers create their states.
WARM_UP = 3

Tensors = dict[str, Tensor]


@dataclass
class Graph:
    """A step that is captured after a few calls.

    Attributes:
        calls: so far.
        graph: None before the capture.
        inputs: tensors that every replay reads.
        outputs: tensors that every replay writes.
    """

    calls: int = 0
    graph: torch.cuda.CUDAGraph | None = None
    inputs: Tensors = field(default_factory=dict)
    outputs: Tensors = field(default_factory=dict)


class Graphs:
    """Runs steps on one device, each as a graph of its own once it is warmed up.

    A step must not synchronise, and must read all that changes between calls from its tensors.
    """

    def __init__(self, device: torch.device):
        # Warm-up and capture share a stream, since autograd keeps the stream on which a parameter was first used.
        self.stream = torch.cuda.Stream(device)
        self.graphs: dict[tuple, Graph] = {}

    def __call__(self, step: Callable[..., Tensors], inputs: Tensors, *flags: bool) -> Tensors:
        """Return ``step(inputs, *flags)``. The returned tensors are valid until the next call with these flags."""
        own = self.graphs.setdefault((step.__name__, *flags), Graph())
        outside = torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(outside)
        with torch.cuda.stream(self.stream):
            own.calls += 1
            if own.calls <= WARM_UP:
                found = step(inputs, *flags)
            else:
                if own.graph is None:
                    own.inputs = {name: value.clone() for name, value in inputs.items()}
                    own.graph = torch.cuda.CUDAGraph()
                    with torch.cuda.graph(own.graph, stream=self.stream):
                        own.outputs = step(own.inputs, *flags)
                for name, value in inputs.items():
                    own.inputs[name].copy_(value)
                own.graph.replay()
                found = own.outputs
        outside.wait_stream(self.stream)
        return found

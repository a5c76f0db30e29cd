"""The search for faces through the cascade."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dgp.faces.mtcnn.boxes import correct, make_square, suppress
from dgp.faces.mtcnn.networks import Cascade, Network

CELL, STRIDE = 12, 2  # side of the squares that the first network judges, and their distance
MIDDLE, LARGE = 24, 48  # sides of the squares of the second and third
FACTOR = 0.709  # between the sizes of the pyramid: about the root of a half
# Overlaps, as published: of candidates at one scale, of all scales, after the second and after the third network.
AT_SCALE, OF_SCALES, REFINED, FINAL = 0.5, 0.7, 0.7, 0.7
MOST = 4096  # candidates that are looked at again, the likeliest


@dataclass(frozen=True)
class Thresholds:
    """Least probabilities after each network, as published (Zhang et al. 2016)."""

    proposed: float = 0.6
    refined: float = 0.7
    accepted: float = 0.9


@torch.no_grad()
def search(x: Tensor, cascade: Cascade, least: float, thresholds: Thresholds) -> tuple[Tensor, Tensor]:
    """Return the landmarks of the faces in a picture, (n, 5, 2) in pixels, and their probabilities, (n,).

    Args:
        x: (1, 3, H, W), as ``Network.forward`` takes it.
        cascade: the networks.
        least: side in pixels of the smallest face.
        thresholds: the least probabilities.
    """
    boxes, scores = _propose(x, cascade.propose, least, thresholds.proposed)
    if not len(boxes):
        return torch.empty(0, 5, 2), scores
    boxes = make_square(boxes)
    offsets, scores = cascade.refine(_cut(x, boxes, MIDDLE))
    boxes, scores = _keep(correct(boxes, offsets), scores, thresholds.refined)
    boxes = make_square(boxes[suppress(boxes, scores, REFINED)])
    if not len(boxes):
        return torch.empty(0, 5, 2), scores[:0]
    offsets, places, scores = cascade.output(_cut(x, boxes, LARGE))
    extent = boxes[:, None, 2:] - boxes[:, None, :2] + 1
    points = boxes[:, None, :2] + places.unflatten(1, (2, 5)).mT * extent - 0.5
    boxes = correct(boxes, offsets)
    good = scores >= thresholds.accepted
    boxes, scores, points = boxes[good], scores[good], points[good]
    kept = suppress(boxes, scores, FINAL, of_smaller=True)
    return points[kept], scores[kept]


def _propose(x: Tensor, network: Network, least: float, threshold: float) -> tuple[Tensor, Tensor]:
    """Return boxes and scores of candidates at all scales."""
    boxes, scores, scale = [torch.empty(0, 4)], [torch.empty(0)], CELL / least
    while scale * min(x.shape[-2:]) >= CELL:
        size = tuple(math.ceil(n * scale) for n in x.shape[-2:])
        offsets, chance = network(_resize(x, size))
        rows, columns = (chance[0] >= threshold).nonzero(as_tuple=True)
        corner = torch.stack([columns, rows], 1) * float(STRIDE)
        found = torch.cat([corner, corner + CELL - 1], 1) / scale
        found, score = correct(found, offsets[0, :, rows, columns].T), chance[0, rows, columns]
        kept = suppress(*_best(found, score), AT_SCALE)
        found, score = (part[kept] for part in _best(found, score))
        boxes.append(found)
        scores.append(score)
        scale *= FACTOR
    boxes, scores = _best(torch.cat(boxes), torch.cat(scores))
    kept = suppress(boxes, scores, OF_SCALES)
    return boxes[kept], scores[kept]


def _best(boxes: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    order = scores.argsort(descending=True, stable=True)[:MOST]
    return boxes[order], scores[order]


def _keep(boxes: Tensor, scores: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    good = scores >= threshold
    return boxes[good], scores[good]


def _cut(x: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Return the picture in boxes, (n, 3, size, size), averaged; mid-grey beyond its edges."""
    height, width = x.shape[-2:]
    parts = []
    for left, top, right, bottom in boxes.round().long().tolist():
        right, bottom = max(right, left) + 1, max(bottom, top) + 1
        inside = x[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        if not inside.numel():
            parts.append(x.new_zeros(1, 3, size, size))
            continue
        pads = (max(-left, 0), max(right - width, 0), max(-top, 0), max(bottom - height, 0))
        parts.append(_resize(F.pad(inside, pads), (size, size)))
    return torch.cat(parts)


def _resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False, antialias=True)

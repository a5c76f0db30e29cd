"""Framing of the faces in a degraded picture: each is shown upright in the prior's square, in FFHQ's place."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image

import degradations
from degradations import Chain, Degradation, Inpaint, SuperResolution
from degradations.files.decoding import MAX_PIXELS
from dgp.errors import InputError
from dgp.faces.alignment import Alignment
from dgp.faces.landmarks import Face
from dgp.observation.boxes import whole_box
from dgp.observation.framing.alignable import refuse_unless_alignable
from dgp.observation.framing.operator import keeps_pixels
from dgp.observation.framing.request import FramedInput, FramingRequest
from dgp.observation.full_size.photograph import Photograph
from dgp.observation.geometry import Geometry
from generators.text import pluralise

NEARLY = 0.8  # a square of at least so many times the prior's resolution is enlarged to it
HIDDEN = 1e-3  # share of missing pixels above which a resampled pixel is missing
PROBE = 3600  # pixels: a size by which a degradation's factor is found, as most factors divide it


@dataclass(frozen=True, eq=False)
class Scene:
    """A degraded picture with everything that its faces have in common.

    Attributes:
        request: the picture.
        whole: the degradation, built for a picture of the output's size.
        photograph: the picture with it, where it has the output's size; else None.
        ground: what surrounds the faces in the output, if that is larger than the picture; else None.
        times: how many times as large as the picture the output is.
        missing: (H, W) bool, pixels without information; or None.
    """

    request: FramingRequest
    whole: Degradation
    photograph: Photograph | None
    ground: Image.Image | None
    times: float
    missing: np.ndarray | None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the output."""
        return self.request.image.size if self.ground is None else self.ground.size


def frame_faces(degradation: Degradation, request: FramingRequest) -> FramedInput:
    """Fit each face of a degraded picture into a square of its own.

    The square of a face is one that FFHQ would show (``Alignment``). Where it has fewer pixels than the prior, a
    pointwise operator sees it enlarged; for any other one, the observation has about as many pixels as the square, and
    the operator begins with the reduction to them, so that a blur keeps its width. The answer is turned back to its
    place and fades into the photograph, which is kept around it; holes are filled without fading.

    Args:
        degradation: the operator that damaged the picture, not yet built for a size.
        request: the picture and its faces.

    Raises:
        InputError: the operator cannot be aligned; no face has anything to restore.
    """
    scene = _open_scene(degradation, request)
    refuse_unless_alignable(scene.whole, scene.size[::-1])
    if scene.missing is None or not keeps_pixels(scene.whole, request.image.size, request.resolution):
        first, *others = (_frame_face(scene, face, None) for face in request.faces)
    else:
        filled = _share_holes(scene)
        first, *others = (_frame_face(scene, face, mask) for face, mask in filled)
    return replace(first, others=tuple(others), notes=_notes(scene, [first, *others]))


def _open_scene(degradation: Degradation, request: FramingRequest) -> Scene:
    """Build the degradation for the output's size."""
    image = request.image
    width, height = image.size
    if degradation.keeps_size or tuple(degradation.size(request.square)) == request.square:
        whole = degradation.build(request.source.image, request.seed, (height, width))
        hidden = whole.uninformative((height, width))
        missing = None if hidden is None else hidden[0].cpu().numpy()
        return Scene(request, whole, Photograph(image, whole, image.size), None, 1.0, missing)
    times = PROBE / max(degradation.size((PROBE, PROBE)))
    output = (round(width * times), round(height * times))
    if times <= 1 or output[0] * output[1] > MAX_PIXELS:
        raise InputError(
            f"got {width}x{height}, whose result under {degradation.spec} would have {output[0]}x{output[1]} pixels, "
            f"expected at most {MAX_PIXELS}; cut the faces out first"
        )
    try:
        whole = degradation.build(None, request.seed, output[::-1])
    except degradations.MaskError as error:
        raise InputError(f"got {degradation.spec} with --align face, which takes no mask then: {error}") from None
    if tuple(whole.size(output[::-1])) != (height, width):
        raise InputError(f"got {degradation.spec} with --align face, expected one factor for both sides; use sr:N")
    ground = image.convert("RGB").resize(output, Image.Resampling.BICUBIC)
    return Scene(request, whole, None, ground, times, None)


def _frame_face(scene: Scene, face: Face, changed: np.ndarray | None) -> FramedInput:
    """Fit a face into the square.

    Args:
        scene: the picture.
        face: the face.
        changed: (H, W) bool, the pixels that this face fills, while all others are kept; None: all in its square.
    """
    request, resolution = scene.request, scene.request.resolution
    square = Alignment.from_face(face)
    in_output = square.scaled(scene.times)
    # The exact merge through a reduction costs minutes at 1024 pixels; pointwise operators without noise need none.
    pointwise = scene.whole.pointwise and all(link.noise is None for link in scene.whole.operators())
    enough = pointwise or in_output.side >= NEARLY * resolution
    inner = resolution if enough else max(1, round(in_output.side))
    own = _fit_operator(scene, square, inner, min(1.0, inner / in_output.side))
    operator = own if inner == resolution else Chain([_reduction(resolution, inner), own])
    degradations.try_out(operator, request.square)
    y = own.read(_cut(request.image, square, max(own.size((inner, inner))), scene.missing))
    geometry = Geometry(
        request.fit,
        "face",
        resolution,
        input_size=request.image.size,
        box=square.box,
        box_size=(max(1, round(in_output.side)),) * 2,
        output_size=scene.size,
        observed=request.image if scene.ground is None else None,
        photograph=scene.photograph,
        missing=changed,
        face=face,
        alignment=in_output,
        ground=scene.ground,
    )
    return FramedInput(geometry, operator, scene.whole, y)


def _fit_operator(scene: Scene, square: Alignment, inner: int, factor: float) -> Degradation:
    """Return the degradation of the photograph for its aligned square.

    Args:
        scene: the picture.
        square: the square in the picture.
        inner: side of the aligned square of x in pixels.
        factor: of the sides of x from the photograph to there, at most 1.
    """
    if scene.missing is None:
        return scene.whole.scaled(factor)
    return fit_links(scene.whole, square, scene.request.image.size, inner, factor)


def fit_links(whole: Degradation, square: Alignment, full: tuple[int, int], size: int, factor: float) -> Degradation:
    """Return a degradation for an aligned square: masks are turned with the picture, other links are scaled.

    Args:
        whole: built for the whole picture; it keeps the size.
        square: the square in the picture.
        full: (width, height) of the picture.
        size: side of the aligned square in pixels.
        factor: of the sides, at most 1.
    """

    def fit(link: Degradation) -> Degradation:
        hidden = link.unobserved(full[::-1]) if link.pointwise else None
        if hidden is None:
            return link.scaled(factor)
        mask = square.cut(hidden[0].cpu().numpy()[..., None], size, blur=False)[..., 0] > HIDDEN
        return Inpaint.of(torch.from_numpy(mask)[None, None]) if mask.any() else degradations.Identity()

    return whole.replace_links(fit) if isinstance(whole, Chain) else fit(whole)


def _reduction(resolution: int, inner: int) -> SuperResolution:
    """Return the operator that makes `inner` pixels a side of `resolution`."""
    factor = resolution / inner
    return SuperResolution(factor if int(resolution / factor) == inner else resolution / (inner + 0.5))


def _cut(image: Image.Image, square: Alignment, size: int, missing: np.ndarray | None) -> Image.Image:
    """Return the aligned square of the picture; the colour of missing pixels does not blend into the others."""
    if missing is None:
        return square.picture(image, size)
    pixels = np.asarray(image, np.float32).reshape(*missing.shape, -1)
    seen = (~missing).astype(np.float32)[..., None]
    cut = square.cut(np.concatenate([pixels * seen, seen], -1), size, blur=False)
    values = np.where(cut[..., -1:] > HIDDEN, cut[..., :-1] / np.maximum(cut[..., -1:], HIDDEN), 127.5)
    rounded = np.rint(values.clip(0, 255)).astype(np.uint8)
    return Image.fromarray(rounded[..., 0] if rounded.shape[-1] == 1 else rounded)


def _share_holes(scene: Scene) -> list[tuple[Face, np.ndarray]]:
    """Return the faces that have holes, each with the mask of those that lie wholly in its square.

    Raises:
        InputError: no hole does.
    """
    from scipy.ndimage import label

    labels, _ = label(scene.missing, structure=np.ones((3, 3)))
    box, taken, found = whole_box(scene.request.image.size), set(), []
    for face in scene.request.faces:
        square = Alignment.from_face(face)
        outside = set(np.unique(labels[square.share(box) == 0]))
        inside = set(np.unique(labels)) - outside - taken - {0}
        taken |= inside
        if inside:
            found.append((face, np.isin(labels, list(inside))))
    if not found:
        faces = pluralise(len(scene.request.faces), "face")
        raise InputError(f"no hole lies within the square of a face ({faces}); leave --align out to fill the others")
    return found


def _notes(scene: Scene, framed: list[FramedInput]) -> tuple[str, ...]:
    """Return which faces are restored, and what is left as it is."""
    source, faces = scene.request.faces[0].source, pluralise(len(framed), "face")
    around = "enlarged by bicubic interpolation" if scene.ground is not None else "left as it is"
    notes = [f"{faces} aligned (landmarks: {source}); the photograph around is {around}"]
    if (filled := [one.geometry.missing for one in framed if one.geometry.missing is not None]) and (
        left := scene.missing & ~np.logical_or.reduce(filled)
    ).any():
        notes.append(f"{int(left.sum())} missing pixels lie in no face's square and are left as they are")
    return tuple(notes)

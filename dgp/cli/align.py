"""`dgp align`: the faces of photographs, upright in squares as in FFHQ, and a file of their landmarks."""

from __future__ import annotations

from pathlib import Path

import click

from dgp.cli import complete
from dgp.cli.console import Console, console_options, printable_text
from dgp.cli.failures import describe_failure, exit_after, exit_code, report_failure
from dgp.cli.options import max_pixels_option

LANDMARKS = "landmarks.json"


@click.command(
    epilog="""\b
Examples:
  dgp align photo.jpg -o faces
  dgp align photographs/ -o faces --size 32      the inputs of `dgp upscale --factor 32` with a prior of 1024 pixels
  dgp align photo.jpg -o faces --landmarks landmarks.json

\b
Writes DIR/<name>_0.png for the largest face of each PHOTO, <name>_1.png for the next, and DIR/landmarks.json,
which `--align face --landmarks` reads, after corrections perhaps."""
)
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PHOTO...")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="The folder for squares and landmarks.",
)
@click.option(
    "--size", type=click.IntRange(8, 2048), default=1024, metavar="N", help="The side of the squares in pixels."
)
@click.option(
    "--landmarks",
    metavar="FILE",
    shell_complete=complete.files,
    show_default=False,
    help="A file of landmarks (see `dgp restore -h`), so that none is looked for.",
)
@click.option("--detector", metavar="NAME", default="mtcnn", help="What finds the faces.")
@max_pixels_option
@console_options
def align(
    photos: tuple[Path, ...],
    output: Path,
    size: int,
    landmarks: str | None,
    detector: str,
    max_pixels: int,
    console: Console,
):
    """Cut the faces out of photographs, upright and placed as in FFHQ.

    Each PHOTO is a picture, or a folder of pictures. Faces at the edge are continued by reflection, blurred as in FFHQ.
    """
    from dgp.faces.alignment import Alignment
    from dgp.faces.landmark_files import write_landmarks
    from dgp.files import write_bytes_atomic
    from dgp.observation.faces import locate_faces
    from dgp.observation.figures import encode_png
    from dgp.observation.folders import expand_folders
    from dgp.observation.images import flatten, open_picture
    from dgp.output.run_folder import prepare_folder
    from dgp.runs.folders import name_folders

    images = expand_folders(photos)
    prepare_folder(output)
    found, records, codes = {}, [], []
    for path, stem in zip(images, name_folders([Path(path.name) for path in images]), strict=True):
        try:
            source = open_picture(path, max_pixels)
            faces = locate_faces(source, landmarks, detector)
        except Exception as error:  # noqa: BLE001  a picture that fails must not stop the others
            report_failure(path, error, console)
            records.append(describe_failure(path, error))
            codes.append(exit_code(error))
            continue
        image, files, described = flatten(source)[0], [], []
        for number, face in enumerate(faces):
            square = Alignment.from_face(face)
            files.append(output / f"{stem}_{number}.png")
            write_bytes_atomic(files[-1], encode_png(square.picture(image, size)))
            described.append(face.record() | {"quad": square.record()})
        found[path.name] = faces
        records.append(
            {"status": "done", "input": {"path": str(path)}, "faces": described, "files": list(map(str, files))}
        )
        codes.append(0)
        console.print(f"{printable_text(path)} -> {', '.join(printable_text(file) for file in files)}")
    if found:
        write_bytes_atomic(output / LANDMARKS, write_landmarks(found))
    console.print_json({"results": records})
    exit_after(codes)

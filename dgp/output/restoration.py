"""The answer with the files that it leaves."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from degradations import Degradation, Inpaint
from dgp.files import sha256_of, write_bytes_atomic, write_json_atomic
from dgp.observation.figures import encode_png
from dgp.output.answer import Answer
from dgp.output.run_folder import RESULT, existing_files, holds_result, prepare_folder, to_json
from dgp.output.run_record import record_of
from dgp.output.tensor_bytes import encode_tensors
from dgp.progress import display
from generators.progress import waiting

VARIABLE = "variable/"  # begins the names of variables, beside those of inputs, in latents.safetensors


class Restoration(Answer):
    """An Answer that can be saved and recorded; its attributes are those of ``Answer``."""

    def record(self, argv: Sequence[str] = ()) -> dict:
        """Return the object that result.json holds and `--json` prints; valid JSON, without NaN and Infinity.

        Args:
            argv: the call, program first.
        """
        return record_of(self, argv)

    @display()
    def save(self, folder: str | os.PathLike, argv: Sequence[str] = ()) -> Path:
        """Write all files of a run, result.json last: a folder that has one is complete.

        Files that an earlier run left there under the same names are removed first; a complete result of the same bytes
        is left as it is.

        Args:
            folder: where to write; made if absent.
            argv: the call, program first.

        Returns:
            The folder.

        Raises:
            OutputError: the folder cannot be written.
        """
        begin = time.perf_counter()
        self.folder = folder = prepare_folder(folder)
        record, contents = self.record(argv), self._contents()
        digests = {name: sha256_of(data) for name, data in contents.items()}
        if holds_result(folder, record, digests):
            return folder
        # A file that is replaced is not removed first: another process may be about to complete the same result.
        for stale in existing_files(folder):
            if stale.relative_to(folder).as_posix() not in contents:
                stale.unlink(missing_ok=True)
        if (several := folder / "solutions").is_dir() and not any(several.iterdir()):
            several.rmdir()
        if any(name.startswith("solutions/") for name in contents):
            prepare_folder(folder / "solutions")
        with waiting("writing the files"):
            for name, data in contents.items():
                write_bytes_atomic(folder / name, data)
        self.spent("save_s", time.perf_counter() - begin)
        write_json_atomic(folder / RESULT, record | {"timing": to_json(self.timing), "files": digests})
        return folder

    @waiting("compressing the pictures")
    def _contents(self) -> dict[str, bytes]:
        """Return the contents of all files but result.json, by name."""
        source = self.observation.source.image
        # A profile of grey or CMYK values would be wrong for the RGB that is written.
        profile = source.info.get("icc_profile") if source.mode in ("RGB", "RGBA", "P") else None
        files = {
            "restored.png": encode_png(self.image, icc_profile=profile),
            "restored_prior.png": encode_png(self.prior_image, icc_profile=profile),
            "observed.png": encode_png(self.observation.picture),
            "comparison.png": encode_png(self.comparison, icc_profile=profile),
        }
        if (proposed := proposed_mask(self.observation.whole)) is not None:
            files["mask.png"] = encode_png(mask_picture(proposed))
        if len(self.solutions) > 1:
            for number, image in enumerate(self.solutions):
                files[f"solutions/{number:02}.png"] = encode_png(image, icc_profile=profile)
            files["mean.png"], files["spread.png"] = encode_png(self.spread.mean), encode_png(self.spread.picture)
        files |= self._tensor_files("")
        for number, window in enumerate(self.windows, 2):
            files |= window._tensor_files(f"window{number}-")
            files[f"window{number}-restored_prior.png"] = encode_png(window.prior_image, icc_profile=profile)
        files["trace.jsonl"] = "".join(
            json.dumps(to_json(step), allow_nan=False) + "\n" for step in self.trace
        ).encode()
        return files

    def _tensor_files(self, prefix: str) -> dict[str, bytes]:
        """Return the contents of the files of latents and weights, by name."""
        parametrizations, files = self.recipe.parametrizations, {}
        about = {
            "schema": "1",
            "prior": self.prior.name,
            "prior_sha256": self.prior.sha256,
            "recipe_sha256": self.recipe.sha256,
            "charts": json.dumps({name: one.model_dump(mode="json") for name, one in parametrizations.items()}),
        }
        variables = {f"{VARIABLE}{name}": value for name, value in self.variables.items()}
        for name, tensors in (("latents", self.latents | variables), ("weights", self.weights)):
            if tensors:
                files[f"{prefix}{name}.safetensors"] = encode_tensors(tensors, about)
        return files


def proposed_mask(operator: Degradation) -> Tensor | None:
    """Return the mask that ``inpaint:mask=auto`` found, (H, W) bool, to be corrected and given as a file; or None."""
    links = [link for link in operator.modules() if isinstance(link, Inpaint) and link.mask == "auto"]
    return links[0].missing[0, 0] if links else None


def mask_picture(missing: Tensor) -> Image.Image:
    """Return the picture of a mask file, white where a mask (H, W) bool is missing pixels."""
    return Image.fromarray(np.where(missing.cpu().numpy(), 255, 0).astype(np.uint8))

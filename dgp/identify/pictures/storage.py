"""Pictures as files hold them: compressed as JPEG."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def store_as_jpeg(picture: Tensor, quality: int, subsampling: int) -> Tensor:
    """Compress and decompress a picture (3, H, W) in [-1, 1]; subsampling as in Pillow, 0 (4:4:4) to 2 (4:2:0)."""
    pixels = ((picture + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1).float() / 127.5 - 1

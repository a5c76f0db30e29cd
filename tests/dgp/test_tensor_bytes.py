"""Equal tensors and texts give equal files, which the library reads."""

import torch
from safetensors import safe_open
from safetensors.torch import load

from dgp.output.tensor_bytes import encode_tensors

TENSORS = {"w": torch.arange(6.0).reshape(2, 3), "é": torch.tensor([1, 2]), "h": torch.ones(3, dtype=torch.float16)}


def test_equal_content_gives_equal_bytes(tmp_path):
    about = {str(number): f"text {number} é" for number in range(20)}
    files = {encode_tensors(TENSORS, dict(sorted(about.items(), key=lambda _: torch.rand(1)))) for _ in range(20)}
    assert len(files) == 1
    (data,) = files
    (tmp_path / "x.safetensors").write_bytes(data)
    with safe_open(tmp_path / "x.safetensors", "pt") as file:
        assert file.metadata() == about
    found = load(data)
    assert found.keys() == TENSORS.keys() and all(torch.equal(found[name], TENSORS[name]) for name in TENSORS)
    assert all(found[name].dtype == TENSORS[name].dtype for name in TENSORS)

"""Tables of batches: what a cell holds."""

import csv
import io

from dgp.batch.export import _encode_csv


def test_texts_that_a_spreadsheet_would_compute_are_defused():
    row = {"picture": "=HYPERLINK(1)", "reason": "@x", "psnr": -3.5, "folder": "a-b", "status": "done", "seed": None}
    (found,) = csv.DictReader(io.StringIO(_encode_csv([row]).decode()))
    assert found == {
        "picture": "'=HYPERLINK(1)",
        "reason": "'@x",
        "psnr": "-3.5",
        "folder": "a-b",
        "status": "done",
        "seed": "",
    }

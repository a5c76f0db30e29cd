"""The table of the README is made by a script, from units that are not done twice."""

import pytest
from PIL import Image

from dgp.observation.figures import join_images
from tests.benchmarks.conftest import picture

MARKED = "before\n<!-- restorations -->\nold\n<!-- end of restorations -->\nafter\n"


@pytest.fixture
def readme(tmp_path):
    (tmp_path / "README.md").write_text(MARKED)
    return tmp_path / "README.md"


@pytest.fixture
def pictures(tmp_path):
    for number, name in enumerate(("cat", "ship")):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        picture(number, (32, 32)).save(tmp_path / f"pictures/{name}/0.png")
    return tmp_path / "pictures"


def test_the_table_is_put_between_the_marks_and_made_once(readme, pictures, tmp_path):
    import readme as script

    call = f"{pictures} --units {tmp_path / 'units'} --prior biggan-cifar10 --per-class 1 --budget 100 --no-pictures"
    call = [*call.split(), "--readme", str(readme)]
    script.main(call)
    first = readme.read_text()
    assert first.startswith("before\n<!-- restorations -->\n\n| | colours")
    assert first.endswith("\n<!-- end of restorations -->\nafter\n")
    assert "old" not in first and first.count("| **`default`**, biggan-cifar10 | ") == 1
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "units").rglob("units/*/*/*.json")}
    assert len(done) == 2 * 3 * 4
    script.main(call)
    assert readme.read_text() == first
    assert done == {path: path.stat().st_mtime_ns for path in (tmp_path / "units").rglob("units/*/*/*.json")}


def test_a_readme_without_the_marks_is_left_as_it_is(readme):
    import readme as script

    readme.write_text("no marks\n")
    with pytest.raises(SystemExit, match="expected the lines <!-- restorations -->"):
        script.replace_table(readme, "| |\n")
    assert readme.read_text() == "no marks\n"


def test_small_pictures_show_their_pixels():
    small, large = Image.new("RGB", (2, 2)), Image.new("L", (400, 200))
    small.putpixel((0, 0), (255, 0, 0))
    sheet = join_images((small, large), 4, 8)
    assert sheet.size == (8 + 4 + 16, 8)
    assert sheet.getpixel((3, 3)) == (255, 0, 0) and sheet.getpixel((4, 4)) == (0, 0, 0)

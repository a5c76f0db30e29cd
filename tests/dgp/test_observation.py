"""Photographs of any size come to the prior's square and back."""

import types

import numpy as np
import pytest
import torch
from PIL import Image

import degradations
from dgp.api import observe
from dgp.errors import InputError
from dgp.observation.boxes import crop_array, crop_box, window_box
from dgp.observation.images import to_pil, to_tensor
from dgp.observation.prepare import prepare
from dgp.observation.resizing import fit_mask, fit_picture

R = 32
CLASSES = {"cat": 3}
# All that observing needs of a prior.
PRIOR = types.SimpleNamespace(
    generator=types.SimpleNamespace(
        info=types.SimpleNamespace(
            resolution=R, class_index=lambda name: CLASSES[name] if isinstance(name, str) else name
        )
    )
)
ANSWER = torch.rand(1, 3, R, R, generator=torch.Generator().manual_seed(1)) * 2 - 1


def photo(width, height, seed=0, mode="RGB"):
    """Smooth colours, like photographs."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    return image.convert(mode)


def luma(image):
    return np.asarray(image.convert("RGB")).astype(float) @ (0.299, 0.587, 0.114)


def look(image, spec, **options):
    return observe(image, spec, PRIOR, **options)


@pytest.mark.parametrize("size", [(32, 32), (61, 47), (17, 90), (1, 1), (8, 40)])
@pytest.mark.parametrize("fit", ["auto", "stretch", "pad", "crop"])
def test_grey_keeps_its_own_luminance_at_full_size(size, fit):
    grey = photo(*size, mode="L")
    observation = look(grey, "gray", fit=fit)
    assert observation.y.shape == (1, 1, R, R) and observation.original is None
    answer = observation.geometry.to_output(ANSWER)
    expected = grey.crop(crop_box(size)) if fit == "crop" else grey
    assert answer.size == expected.size and answer.mode == "RGB"
    assert np.abs(luma(answer) - np.asarray(expected)).max() <= 0.51
    assert np.ptp(np.asarray(answer).astype(int), axis=2).max() > 5 or size == (1, 1), "it has got colours"
    assert observation.picture.mode == "L" and observation.picture.size == answer.size


def test_strips_change_nothing():
    grey = photo(2**19, 3, mode="L")
    answer = look(grey, "gray").geometry.to_output(ANSWER)
    assert np.abs(luma(answer) - np.asarray(grey)).max() <= 0.51


def test_a_photograph_of_the_priors_size_is_seen_as_it_is():
    image = photo(R, R)
    assert torch.equal(look(image, "identity").y, to_tensor(image))
    place = look(image, "identity").geometry
    assert place.to_output(ANSWER, merge=False).tobytes() == to_pil(ANSWER).tobytes()
    assert place.to_output(ANSWER).tobytes() == image.tobytes(), "an intact photograph says all"


@pytest.mark.parametrize(
    "spec", ["inpaint:center=1/3", "inpaint:box=3-5-11-9", "inpaint:strokes=0.2", "inpaint:pixels=0.3"]
)
@pytest.mark.parametrize("size", [(32, 32), (90, 61), (20, 31), (14, 200)])
@pytest.mark.parametrize("fit", ["auto", "pad", "stretch"])
def test_only_missing_pixels_change(spec, size, fit):
    image = photo(*size)
    observation = look(image, spec, fit=fit)
    missing = observation.whole.unobserved(size[::-1])[0].numpy()
    before, after = np.asarray(image), np.asarray(observation.geometry.to_output(ANSWER))
    assert np.array_equal(before[~missing], after[~missing])
    assert (after[missing] != 128).any(1).mean() > 0.9
    assert (np.asarray(observation.picture)[missing] == 128).all()


def test_a_hole_is_filled_in_a_window_around_it():
    observation = look(photo(200, 150), "inpaint:box=150-20-170-40")
    assert observation.geometry.placement == "window" and observation.geometry.box == (120, 0, 200, 80)
    again = look(photo(200, 150), "inpaint:box=150-20-156-26")
    assert again.geometry.box == (137, 7, 169, 39)
    assert torch.equal(again.y[..., :5, :], to_tensor(photo(200, 150).crop((137, 7, 169, 12)))), "not resampled"
    hole = again.degradation.unobserved((R, R))[0]
    assert hole.sum() == 36 and hole[13:19, 13:19].all()
    after = np.asarray(again.geometry.to_output(ANSWER, merge=False))[20:26, 150:156]
    assert np.array_equal(after, np.asarray(to_pil(ANSWER))[13:19, 13:19])
    blended = np.asarray(again.geometry.to_output(ANSWER)).astype(float)[20:26, 150:156]
    rim = np.asarray(photo(200, 150)).astype(float)[19, 150:156]
    assert np.abs(blended[0] - rim).mean() < np.abs(after[0].astype(float) - rim).mean(), "no step at the rim"


def test_windows():
    missing = np.zeros((40, 100), bool)
    missing[:2, 98:] = True
    assert window_box(missing, 32) == (68, 0, 100, 32)
    missing[:, 20:] = True
    assert window_box(missing, 32) is None, "no square holds the hole"
    missing[:] = False
    missing[:, 30:70] = True
    assert window_box(missing, 32) is None, "nothing around it"


def test_colours_of_missing_pixels_do_not_leak():
    image, other = (np.array(photo(97, 83)) for _ in range(2))
    other[30:50, 30:50] = (255, 0, 255)
    mask = np.zeros((83, 97), bool)
    mask[30:50, 30:50] = True
    seen = [look(pixels, "inpaint:box=30-30-50-50", fit="stretch").y for pixels in (image, other)]
    assert torch.equal(*seen)
    plain = np.asarray(fit_picture(Image.fromarray(image), (0, 0, 97, 83), (R, R)))
    masked = np.asarray(fit_picture(Image.fromarray(image), (0, 0, 97, 83), (R, R), mask))
    known = ~fit_mask(mask, (0, 0, 97, 83), (R, R))
    assert np.abs(plain.astype(int) - masked)[known].max() < 40 and known.mean() > 0.8


@pytest.mark.parametrize(("source", "size"), [((64, 64), (32, 32)), ((45, 37), (32, 32)), ((9, 20), (32, 32))])
def test_a_pixel_is_missing_if_any_of_its_source_was(source, size):
    missing = np.random.default_rng(0).random(source[::-1]) < 0.02
    mask = fit_mask(missing, (0, 0, *source), size)
    expected = np.zeros(size[::-1], bool)
    for i, j in np.argwhere(missing):
        for y in range(size[1]):
            for x in range(size[0]):
                lies_y = y * source[1] < (i + 1) * size[1] and i * size[1] < (y + 1) * source[1]
                lies_x = x * source[0] < (j + 1) * size[0] and j * size[0] < (x + 1) * source[0]
                expected[y, x] |= lies_y and lies_x
    assert np.array_equal(mask, expected)


def test_scattered_pixels_of_a_large_photograph_leave_something_to_see():
    observation = look(photo(320, 320), "inpaint:pixels=0.4", fit="stretch")
    hidden = observation.degradation.unobserved((R, R))
    assert hidden is None or hidden.float().mean() < 0.5
    observation.geometry.to_output(ANSWER)


def test_mask_from_the_alpha_channel_and_from_a_file(tmp_path):
    image, size = photo(70, 52), (70, 52)
    hole = np.zeros((52, 70), np.uint8)
    hole[20:31, 40:53] = 255
    clear = image.copy()
    clear.putalpha(Image.fromarray(255 - hole))
    Image.fromarray(hole).save(tmp_path / "mask.png")
    path = tmp_path / "löchrig.png"
    clear.save(path)
    by_alpha = look(path, "inpaint:mask=alpha")
    by_file = look(image, f'inpaint:mask="{tmp_path / "mask.png"}"')
    assert torch.equal(by_alpha.y, by_file.y) and by_alpha.geometry.box == by_file.geometry.box
    for observation in (by_alpha, by_file):
        after = np.asarray(observation.geometry.to_output(ANSWER))
        assert np.array_equal(after[hole == 0], np.asarray(image)[hole == 0])
    assert by_alpha.picture.mode == "RGBA" and by_alpha.picture.size == size
    assert look(by_alpha.picture, "inpaint:mask=alpha").geometry.box == by_alpha.geometry.box
    simulated = look(path, "inpaint:mask=alpha", simulate=True)
    assert simulated.degradation.unobserved((R, R)) is not None and simulated.original.shape == (1, 3, R, R)


def test_a_hole_outside_the_square_that_is_kept():
    with pytest.raises(InputError, match="nothing is missing"):
        look(photo(90, 30), "inpaint:box=0-0-9-9", fit="crop")
    cropped = look(photo(90, 30), "inpaint:box=40-3-50-9", fit="crop")
    assert cropped.geometry.box == (30, 0, 60, 30) and cropped.geometry.to_output(ANSWER).size == (30, 30)


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize(
    ("spec", "size", "out", "corner"),
    [
        ("outpaint:1/4", (60, 44), (120, 88), (30, 22)),
        ("outpaint:left=1/2", (16, 32), (32, 32), (16, 0)),
        ("crop:box=4-0-20-32", (16, 48), (32, 48), (4, 0)),
        ("outpaint:1/4+blur:0.05", (16, 16), (32, 32), None),
    ],
)
def test_more_around_a_photograph(spec, size, out, corner, mode):
    """The photograph itself stays bit for bit, at its own size, where the operator says that it lies."""
    image = photo(*size, mode=mode)
    observation = look(image, spec)
    assert observation.y.shape == (1, 3, *degradations.parse(spec).size((R, R)))
    answer = observation.geometry.to_output(ANSWER)
    assert answer.size == out and observation.geometry.record()["size"] == list(out)
    assert np.array_equal(np.asarray(observation.picture.convert("RGB")), np.asarray(image.convert("RGB")))
    if corner:  # in a chain what was seen is not the photograph itself
        inside = answer.crop((*corner, corner[0] + size[0], corner[1] + size[1]))
        assert np.array_equal(np.asarray(inside), np.asarray(image.convert("RGB")))
        around = np.ones(out[::-1], bool)
        around[corner[1] : corner[1] + size[1], corner[0] : corner[0] + size[0]] = False
        assert np.asarray(answer)[around].std() > 5, "something was invented"


def test_a_cropped_photograph_is_framed_by_its_centred_square():
    observation = look(photo(60, 40), "outpaint:1/4", fit="crop")
    assert observation.geometry.output_size == (80, 80) and observation.picture.size == (40, 40)
    weight = torch.zeros(1, 1, 40, 60)
    weight[..., 20:40] = 1
    weighed = look(photo(60, 40), "outpaint:1/4", fit="crop", weight=weight)
    assert weighed.weight.shape == (1, 1, 16, 16)
    share = weighed.pixel_weight[0, 0]
    assert share[16, 16] == 1 and share[16, 9] == 0 and (share[:7] == 0).all()
    with pytest.raises(InputError, match="fit 'pad'"):
        look(photo(60, 40), "outpaint:1/4", fit="pad")


@pytest.mark.parametrize(("spec", "size"), [("mosaic", (31, 32)), ("sensing", (40, 8)), ("scanlines", (31, 32))])
@pytest.mark.parametrize("fit", ["auto", "stretch"])
def test_what_cannot_be_scaled_is_refused(spec, size, fit):
    with pytest.raises(InputError, match="cannot be resized"):
        look(photo(*size), spec, fit=fit)


def test_what_lies_beyond_a_turned_picture_is_no_hole_in_it():
    observation = look(photo(40, 40), "affine:scale=2", fit="crop")
    assert observation.geometry.missing is None and observation.y.shape == (1, 3, R, R)
    assert observation.degradation.unobserved((R, R)) is not None


def test_grey_with_a_hole():
    image = photo(75, 50)
    observation = look(image, "gray+inpaint:center=1/3")
    answer = observation.geometry.to_output(ANSWER)
    missing = observation.whole.unobserved((50, 75))[0].numpy()
    assert answer.size == (75, 50) and np.abs(luma(answer) - luma(image))[~missing].max() <= 1.1
    assert np.abs(luma(answer) - luma(image))[missing].max() > 20


def test_super_resolution_needs_its_size():
    small = photo(8, 8)
    observation = look(small, "sr:4")
    assert torch.equal(observation.y, to_tensor(small)) and observation.geometry.to_output(ANSWER).size == (
        R,
        R,
    )
    with pytest.raises(InputError) as caught:
        look(photo(40, 30), "sr:4")
    assert str(caught.value) == (
        "got 40x30, expected 8x8 (1/4 of the prior's 32x32): cut out a window of that size, use a larger prior (-p; "
        "one of 1024 px takes 256x256), or let --fit crop|pad|stretch shrink the picture to 8x8 first, which loses its "
        "detail: the answer is 32x32, enlarged"
    )
    with pytest.raises(InputError, match="use a picture of that size, or let .* bring it to that size") as caught:
        look(photo(6, 5), "sr:4")


class Squeezed(degradations.Degradation):
    """Half as wide and a quarter less high."""

    linear = True

    def forward(self, x):
        return torch.nn.functional.adaptive_avg_pool2d(x, (x.shape[-2] * 3 // 4, x.shape[-1] // 2))


def test_sizes_of_operators_that_squeeze():
    with pytest.raises(InputError) as caught:
        look(photo(61, 45), Squeezed())
    assert str(caught.value) == (
        "got 61x45, expected 16x24 (1/2 of the width and 1/1.33333 of the height of the prior's 32x32): "
        "cut out a window of that size, use a larger prior (-p; one of 1024 px takes 512x768), or let --fit "
        "crop|pad|stretch shrink the picture to 16x24 first, which loses its detail: the answer is 32x32, enlarged"
    )


@pytest.mark.parametrize(
    ("size", "spec", "fit", "said"),
    [
        (
            (40, 30),
            "sr:4",
            "crop",
            ("the centred 30x30 of the picture's 40x30 was scaled to 8x8 (--fit crop)",),
        ),
        (
            (40, 30),
            "sr:4",
            "stretch",
            ("the picture's 40x30 was scaled to 8x8 (--fit stretch)",),
        ),
        ((8, 8), "sr:4", "auto", ()),
        ((60, 40), "identity", "auto", ()),
        ((32, 32), "identity", "auto", ()),
        ((20, 10), "identity", "auto", ()),
        ((60, 40), "gray", "auto", ()),
        ((60, 40), "inpaint:center=1/3", "auto", ()),
    ],
)
def test_pixels_that_are_lost_on_the_way_are_told(size, spec, fit, said):
    assert prepare(photo(*size), spec, PRIOR, fit=fit).notes == said
    assert look(photo(16, 24), Squeezed()).y.shape[-2:] == (24, 16)


def test_a_transparent_hole_is_not_said_to_be_white():
    image, said = photo(R, R).convert("RGBA"), "transparent pixels were blended with white"
    clear = np.full((R, R), 255, np.uint8)
    clear[5:12, 5:12] = 0
    image.putalpha(Image.fromarray(clear))
    assert look(image, "inpaint:mask=alpha").notes == ()
    assert look(image, "gray").notes == (said,) == look(image, "inpaint:center=1/3").notes
    clear[20:25] = 200
    image.putalpha(Image.fromarray(clear))
    assert look(image, "inpaint:mask=alpha").notes == ("half-transparent pixels were blended with white",)


@pytest.mark.parametrize(("fit", "size"), [("crop", (120, 120)), ("pad", (160, 120)), ("stretch", (160, 120))])
@pytest.mark.parametrize("spec", ["sr:4", "gray+sr:4"])
def test_super_resolution_of_other_sizes(fit, size, spec):
    observation = look(photo(40, 30), spec, fit=fit)
    assert observation.y.shape == (1, 1 if "gray" in spec else 3, 8, 8)
    assert observation.geometry.to_output(ANSWER).size == size


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch", "auto"])
@pytest.mark.parametrize("size", [(45, 64), (64, 45), (33, 32)])
def test_what_comes_to_the_square_comes_back(fit, size):
    image = photo(*size)
    observation = look(image, "identity", fit=fit)
    back = observation.geometry.to_output(observation.y)
    expected = image.crop(observation.geometry.box) if fit == "crop" else image
    assert back.size == expected.size
    error = np.abs(np.asarray(back).astype(int) - np.asarray(expected))
    assert error.mean() < 4, "in its place, up to what 32 pixels can hold"


def test_pad_mirrors():
    row = np.arange(5)[None].repeat(2, 0)
    assert crop_array(row, (-2, 0, 8, 2))[0].tolist() == [2, 1, 0, 1, 2, 3, 4, 3, 2, 1]
    assert crop_array(np.array([[7]]), (-3, -3, 4, 4)).shape == (7, 7)
    with pytest.raises(InputError, match="--fit crop or stretch"):
        look(np.zeros((1, 9000), np.uint8), "gray", fit="pad")


def test_simulation_as_published():
    image = photo(85, 60)
    observation = look(image, "sr:4", simulate=True, target="float")
    left = round((85 - 60) / 2)
    expected = image.crop((left, 0, left + 60, 60)).resize((R, R), Image.Resampling.BILINEAR)
    assert torch.equal(observation.original, to_tensor(expected)) and observation.geometry.box == (
        left,
        0,
        left + 60,
        60,
    )
    operator = degradations.parse("sr:4")
    assert torch.equal(observation.y, operator(observation.original))
    rounded = look(image, "sr:4", simulate=True)
    assert torch.equal(rounded.y, rounded.degradation.read(rounded.picture))
    assert observation.geometry.to_output(ANSWER).tobytes() == to_pil(ANSWER).tobytes()


def test_a_simulated_file_is_read_as_what_was_simulated(tmp_path):
    for spec in ("gray", "sr:2", "inpaint:center=1/3", "gray+sr:2"):
        simulated = look(photo(50, 70), spec, simulate=True)
        simulated.picture.save(tmp_path / "observed.png")
        assert torch.allclose(look(tmp_path / "observed.png", spec).y, simulated.y, atol=1e-6), spec


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_every_simulation_is_measured_at_the_priors_size(fit):
    observation = look(photo(50, 40), "gray", simulate=True, fit=fit)
    assert observation.geometry.to_output(ANSWER).size == (R, R) and observation.simulated


def test_random_masks_follow_the_seed_and_keys_the_picture(tmp_path):
    image = photo(R, R)
    image.save(tmp_path / "a.png")
    first, same, other = (look(image, "inpaint:strokes=0.3", simulate=True, seed=s) for s in (1, 1, 2))
    assert torch.equal(first.y, same.y) and not torch.equal(first.y, other.y)
    assert first.key == look(tmp_path / "a.png", "gray").key == look(np.asarray(image), "gray").key
    assert first.key != look(photo(R, R, seed=5), "gray").key


def test_labels_and_bad_options():
    image = photo(R, R)
    assert [look(image, "gray", label=label).label for label in (None, "auto", "cat", 7)] == [
        None,
        None,
        3,
        7,
    ]
    for options in ({"fit": "cover"}, {"target": "jpeg"}):
        with pytest.raises(InputError, match="expected"):
            look(image, "gray", **options)
    with pytest.raises(degradations.SpecError):
        look(image, "grey-ish")
    with pytest.raises(InputError, match="expected the prior's 32x32"):
        look(image, "gray").geometry.to_output(torch.zeros(1, 3, 16, 16))


def test_notebooks():
    observation = look(photo(40, 30), "gray", simulate=True)
    assert observation._repr_png_().startswith(b"\x89PNG")
    assert observation._repr_html_().count("<img") == 2 and "gray" in observation._repr_html_()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_every_mode_is_observed(mode):
    grey = photo(40, 30, mode="L")
    image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257) if mode == "I;16" else photo(40, 30).convert(mode)
    for spec in ("gray", "identity", "inpaint:center=1/4"):
        observation = look(image, spec)
        assert observation.y.shape == (1, 1 if spec == "gray" else 3, R, R)
        assert observation.geometry.to_output(ANSWER).size == (40, 30)


class RedGreen(degradations.Degradation):
    linear = True

    def forward(self, x):
        return x[:, :2]


class Shown(RedGreen):
    def lift(self, y, size):
        return torch.cat([y, y[:, :1] * 0], 1)


class Broken(degradations.Degradation):
    def build(self, picture=None, seed=0, size=None):
        return self

    def forward(self, x):
        return x * self.nothing_of_this_name if x.shape[-1] == R else x


@pytest.mark.parametrize("simulate", [True, False])
def test_operators_that_cannot_be_used_are_told_at_once(simulate):
    with pytest.raises(degradations.SizeError, match="define lift" if simulate else "define read"):
        look(photo(R, R), RedGreen(), simulate=simulate)


def test_operators_that_fail_once_they_are_built_are_plugin_errors():
    with pytest.raises(degradations.PluginError, match="nothing_of_this_name"):
        look(photo(R, R), Broken(), simulate=True)


def test_a_simulated_observation_of_two_channels_is_shown():
    observation = look(photo(R, R), Shown(), simulate=True)
    assert observation.y.shape == (1, 2, R, R) and observation.picture.mode == "RGB"

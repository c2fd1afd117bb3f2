from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model import colors

LAB = st.tuples(st.floats(0, 100), st.floats(-90, 90), st.floats(-90, 90))


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((255, 0, 0), "red"),
        ((139, 0, 0), "red"),
        ((255, 140, 0), "orange"),
        ((255, 255, 0), "yellow"),
        ((220, 190, 40), "yellow"),
        ((0, 128, 0), "green"),
        ((50, 205, 50), "green"),
        ((0, 0, 255), "blue"),
        ((70, 130, 180), "blue"),
        ((25, 25, 112), "blue"),
        ((128, 0, 128), "purple"),
        ((255, 105, 180), "pink"),
        ((139, 69, 19), "brown"),
        ((210, 180, 140), "cream"),
        ((250, 250, 250), "white"),
        ((128, 128, 128), "gray"),
        ((10, 10, 10), "black"),
        ((0, 200, 200), "cyan"),
    ],
)
def test_common_colors_get_their_name(rgb: tuple[int, int, int], name: str) -> None:
    lab = colors.rgb_to_lab(np.array(rgb, dtype=np.uint8))
    assert colors.name_color(lab)[0] == name


def test_conversion_agrees_with_skimage() -> None:
    from skimage.color import rgb2lab

    rgb = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    np.testing.assert_allclose(colors.rgb_to_lab(rgb), rgb2lab(rgb), atol=0.05)


def test_difference_agrees_with_skimage() -> None:
    from skimage.color import deltaE_ciede2000

    rng = np.random.default_rng(1)
    one = rng.uniform([0, -90, -90], [100, 90, 90], (500, 3))
    two = rng.uniform([0, -90, -90], [100, 90, 90], (500, 3))
    for k_l in (1.0, 2.0):
        np.testing.assert_allclose(
            colors.delta_e(one, two, k_l=k_l), deltaE_ciede2000(one, two, kL=k_l), atol=1e-6
        )


@given(LAB, LAB)
def test_difference_is_symmetric_and_zero_on_itself(
    one: tuple[float, ...], two: tuple[float, ...]
) -> None:
    assert colors.delta_e(one, two) == pytest.approx(colors.delta_e(two, one), abs=1e-6)
    assert colors.delta_e(one, one) == pytest.approx(0.0, abs=1e-6)


@given(LAB)
def test_named_color_is_the_nearest_word(lab: tuple[float, ...]) -> None:
    name, distance = colors.name_color(lab)
    for word in colors.color_words():
        assert float(colors.color_distance(word.name, lab)) >= distance
    assert float(colors.color_distance(name, lab)) == distance


def test_prototypes_name_themselves() -> None:
    for word in colors.color_words():
        for lab in word.lab:
            assert colors.name_color(lab)[0] == word.name


def test_a_picture_is_measured_pixel_by_pixel() -> None:
    rgb = np.zeros((4, 5, 3), dtype=np.uint8)
    rgb[2, 3] = (255, 0, 0)
    distance = colors.color_distance("red", colors.rgb_to_lab(rgb))
    assert distance.shape == (4, 5)
    assert np.unravel_index(distance.argmin(), distance.shape) == (2, 3)


def test_spellings_and_unknown_words() -> None:
    assert colors.canonical_color("Grey") == "gray"
    assert colors.canonical_color("violet") == "purple"
    assert colors.canonical_color("bottle") is None
    assert colors.is_color_word("yellow")
    with pytest.raises(KeyError):
        colors.color_distance("bottle", (50, 0, 0))


def test_no_color_without_pixels() -> None:
    assert colors.name_color((np.nan, np.nan, np.nan)) == ("", float("inf"))
    assert np.isinf(colors.color_distance("red", (np.nan, 0, 0)))
    with pytest.raises(ValueError, match="expected shape"):
        colors.name_color((1.0, 2.0))

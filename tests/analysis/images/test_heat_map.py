import numpy as np

from tuitrain.analysis.images.heat_map import overlay


def test_cold_pixels_stay_grey_and_hot_ones_are_yellow() -> None:
    picture = np.array([[[0, 30, 60], [255, 255, 255]]], np.uint8)
    found = overlay(picture, np.array([[0, 1]], np.float32))
    assert found.tolist() == [[[30, 30, 30], [255, 232, 109]]]


def test_pictures_with_one_channel_and_heat_out_of_range() -> None:
    found = overlay(np.full((1, 2, 1), 100, np.uint8), np.array([[-1, 2]], np.float32))
    assert found[0, 0].tolist() == [100, 100, 100]
    assert (
        found[0, 1].tolist() == overlay(np.full((1, 1, 1), 100, np.uint8), np.ones((1, 1), np.float32))[0, 0].tolist()
    )

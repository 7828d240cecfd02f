from __future__ import annotations

import numpy as np
import pytest

from napari_tcsdl.display.contrast import ContrastLink


@pytest.fixture
def layers(viewer):
    rng = np.random.default_rng(0)
    return [
        viewer.add_image(
            (rng.uniform(10 * i, 10 * i + 10, (3, 16, 16))).astype(np.float32),
            contrast_limits=(0, 100 + i),
            name=f"box {i}",
        )
        for i in range(3)
    ]


def limits(layers):
    return [tuple(layer.contrast_limits) for layer in layers]


def test_all_begin_with_the_contrast_of_the_first(layers):
    layers[0].gamma = 0.5
    ContrastLink(layers)
    assert limits(layers) == [(0, 100)] * 3
    assert [layer.gamma for layer in layers] == [0.5] * 3


@pytest.mark.parametrize("changed", range(3))
def test_a_change_in_one_is_passed_on_once(layers, changed):
    link = ContrastLink(layers)
    counts = [0, 0, 0]
    for i, layer in enumerate(layers):
        layer.events.contrast_limits.connect(lambda _, i=i: counts.__setitem__(i, counts[i] + 1))
    layers[changed].contrast_limits = (7, 42)
    layers[changed].gamma = 1.5
    assert limits(layers) == [(7, 42)] * 3
    assert [layer.gamma for layer in layers] == [1.5] * 3
    assert counts == [1, 1, 1], "passed on without a loop"
    assert link.linked


def test_limits_beyond_the_range_of_the_others_are_passed_on_whole(layers):
    link = ContrastLink(layers)
    layers[2].contrast_limits = (-500, 5000)
    assert limits(layers) == [(-500, 5000)] * 3
    layers[1].contrast_limits_range = (0, 50)  # napari then narrows its limits
    assert limits(layers) == [(0, 50)] * 3
    link.close()


def test_colormaps_are_not_linked(layers):
    link = ContrastLink(layers)
    layers[1].colormap = "magma"
    assert layers[0].colormap.name == "gray"
    link.close()


def test_unlinked_layers_change_alone_until_they_are_linked_again(layers):
    link = ContrastLink(layers)
    told = []
    link.changed.connect(told.append)
    link.unlink()
    layers[1].contrast_limits = (1, 2)
    assert limits(layers) == [(0, 100), (1, 2), (0, 100)]
    link.link()
    link.link()
    assert limits(layers) == [(0, 100)] * 3
    assert told == [False, True]


def test_layers_can_be_exchanged(layers, viewer):
    link = ContrastLink(layers[:2])
    points = viewer.add_points(np.zeros((1, 3)))
    link.set_layers([layers[1], layers[2], points])
    assert link.layers == layers[1:], "points have no contrast"
    layers[0].contrast_limits = (3, 4)
    assert limits(layers[1:]) == [(0, 100)] * 2
    layers[2].contrast_limits = (5, 6)
    assert limits(layers) == [(3, 4), (5, 6), (5, 6)]


def test_nothing_is_passed_on_after_close(layers):
    link = ContrastLink(layers)
    link.close()
    layers[0].contrast_limits = (3, 4)
    assert limits(layers[1:]) == [(0, 100)] * 2


def test_auto_follows_the_reference_and_its_current_frame(viewer, layers):
    layers[1].data = np.stack([np.full((16, 16), 1.0), np.linspace(20, 80, 256).reshape(16, 16)])
    link = ContrastLink(layers)
    viewer.dims.set_current_step(0, 1)
    link.auto(layers[1])
    assert limits(layers)[0] == pytest.approx((20, 80), abs=0.5)
    assert len(set(limits(layers))) == 1


def test_auto_of_unlinked_layers_takes_each_by_itself(layers):
    link = ContrastLink(layers, linked=False)
    link.auto(layers[0])
    for i, (low, high) in enumerate(limits(layers)):
        assert 10 * i <= low < 10 * i + 1
        assert 10 * i + 9 < high <= 10 * i + 10


def test_without_a_frame_at_this_time_the_contrast_stays(viewer, layers):
    viewer.add_image(np.zeros((9, 16, 16), np.float32), name="longer")
    link = ContrastLink(layers)
    viewer.dims.set_point(0, 7)
    link.auto(layers[0])
    assert limits(layers) == [(0, 100)] * 3
    viewer.dims.set_point(0, 1)
    link.auto(layers[0])
    assert limits(layers) != [(0, 100)] * 3

"""Frames and their layout."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from amf_ros.contract.layout import Entry, ObservationLayout
from amf_ros.core.errors import ConfigError, DataError
from amf_ros.core.frames import Frames
from amf_ros.policies.flat import FlatView

STATE, PICTURE = Entry("state", (2,), elements=("x", "y")), Entry("images.wrist", (4, 6, 3), "uint8")
LAYOUT = ObservationLayout((STATE, PICTURE))


def drawn(number: int, seed: int = 0) -> Frames:
    return LAYOUT.drawn(np.random.default_rng(seed), number)


def test_frames_are_stacked_indexed_and_joined_with_their_kinds_of_numbers():
    frames = drawn(5)
    one_by_one = [{name: values[i] for name, values in frames.items()} for i in range(5)]
    again = Frames.stacked(one_by_one)
    assert len(again) == 5 and again["images.wrist"].dtype == np.uint8
    for name, values in frames.items():
        assert again[name].tobytes() == values.tobytes()
        assert again[1:3][name].tobytes() == values[1:3].tobytes()
    assert frames.float32()["state"].dtype == np.float32
    assert frames.float32()["images.wrist"] is frames["images.wrist"]


def test_pictures_of_joined_frames_are_not_copied_until_rows_are_asked_for():
    parts = [drawn(3, 1), drawn(4, 2), drawn(2, 3)]
    joined = Frames.joined(parts)
    assert len(joined) == 9 and LAYOUT.fit(joined) is joined
    whole = np.concatenate([part["images.wrist"] for part in parts])
    rows = np.array([8, 0, 3, 3, 6])
    assert (joined[rows]["images.wrist"] == whole[rows]).all()
    assert (joined[2:8]["images.wrist"] == whole[2:8]).all() and (joined["images.wrist"] == whole).all()
    parts[1]["images.wrist"][0] = 7
    assert (joined[np.array([3])]["images.wrist"] == 7).all()  # the same memory
    assert Frames.joined(parts[:1]) is parts[0]


def test_a_digest_tells_frames_apart_and_is_that_of_the_vectors_where_there_is_nothing_else():
    def digest(frames: Frames) -> bytes:
        made = hashlib.sha256()
        frames.update(made)
        return made.digest()

    rows = np.random.default_rng(0).normal(size=(4, 5))
    divided = Frames.of_vectors(rows).split({"a": 2, "b": 3})
    assert digest(divided) == digest(Frames.of_vectors(rows)) == hashlib.sha256(rows.tobytes()).digest()
    assert (divided.flat() == rows).all()
    one, other = drawn(3), drawn(3)
    other["images.wrist"][2, 0, 0, 0] ^= 1
    assert digest(one) == digest(drawn(3)) != digest(other)
    assert digest(Frames.joined([drawn(2), drawn(1)])) == digest(
        Frames({n: np.concatenate([drawn(2)[n], drawn(1)[n]]) for n in LAYOUT_NAMES})
    )


LAYOUT_NAMES = tuple(entry.name for entry in LAYOUT.entries)


def test_what_takes_vectors_refuses_pictures_by_name():
    with pytest.raises(ConfigError, match="policy 'mlp' takes vectors only, and images.wrist is a picture"):
        FlatView(LAYOUT, "policy 'mlp'")
    with pytest.raises(DataError, match=r"images.wrist has shape \(4, 6, 3\) and is no vector"):
        drawn(2).flat()
    view = FlatView(ObservationLayout.of_vector("xyz"), "it")
    assert view.rows(Frames.of_vectors(np.ones((2, 3)))).dtype == np.float32
    with pytest.raises(DataError, match="have 2 elements, 3 are needed"):
        view.rows(Frames.of_vectors(np.ones((2, 2))))


def test_frames_that_are_none_are_refused():
    for entries in ({}, {"a": np.zeros((2, 1)), "b": np.zeros((3, 1))}, {"a": np.zeros(3)}):
        with pytest.raises(DataError, match="frames need entries"):
            Frames(entries)
    with pytest.raises(DataError, match="no entry 'wrist'; they have state, images.wrist"):
        drawn(1)["wrist"]
    assert Frames({"a": np.ones((2, 1)), "b": np.array([[1.0], [np.nan]])}).first_bad() == "b"


@pytest.mark.parametrize(
    ("running", "said"),
    [
        (LAYOUT, ""),
        (ObservationLayout((STATE,)), "it needs images.wrist"),
        (ObservationLayout((PICTURE, STATE)), "element 0 is"),
        (ObservationLayout((Entry("state", (2,), elements=("x", "z")), PICTURE)), "needs y, .* not know z"),
        (
            ObservationLayout((STATE, Entry("images.wrist", (8, 6, 3), "uint8"))),
            r"images.wrist \(4, 6, 3\) uint8 is images.wrist \(8, 6, 3\) uint8 here",
        ),
    ],
)
def test_the_difference_of_layouts_is_named(running, said):
    import re

    found = LAYOUT.difference(running)
    assert re.search(said, found) if said else not found


def test_an_undivided_layout_fits_the_same_elements_in_any_entries_but_no_picture():
    undivided = ObservationLayout.of_vector(("x", "y"))
    assert undivided.difference(ObservationLayout((STATE,))) == ""
    assert undivided.difference(LAYOUT) == "it does not know images.wrist"


def test_frames_of_old_files_are_divided_and_others_refused():
    two = ObservationLayout((STATE, Entry("force", (1,), elements=("f",))))
    rows = np.arange(6.0).reshape(2, 3)
    fitted = two.fit(Frames.of_vectors(rows))
    assert fitted["state"].tolist() == rows[:, :2].tolist() and fitted["force"].tolist() == [[2], [5]]
    assert two.fit(fitted) is fitted
    for layout, frames in ((two, Frames.of_vectors(rows[:, :2])), (LAYOUT, Frames.of_vectors(rows))):
        with pytest.raises(ValueError, match="they have"):
            layout.fit(frames)
    with pytest.raises(ValueError, match="they hold"):
        two.fit(drawn(2))


def test_an_element_knows_the_one_that_says_whether_its_role_is_there() -> None:
    names = (
        "tool0.position.x",
        "role.aux.present",
        "role.aux-tool0.position.x",
        "role.target-role.aux.yaw.sin",
        "role.auxiliary.position.z",
        "role.aux.position.z",
        "role.aux-role.object.position.x",
    )
    assert ObservationLayout.of_vector(names).presence == (None, None, 1, 1, None, 1, 1)
    assert ObservationLayout.of_vector(("x", "role.aux.position.z")).presence == (None, None)

"""Messages of every type that a contract can name, read by attribute names."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from amf_ros.contract.codecs import CODECS, COMPRESSED_IMAGE, IMAGE, codec_of, to_message, to_value
from amf_ros.contract.pictures import View
from amf_ros.core.errors import DataError
from amf_ros.core.values import Picture

HEADER = SimpleNamespace(stamp=SimpleNamespace(sec=2, nanosec=5))


def image(pixels, encoding, **more):
    height, width = pixels.shape[:2]
    step = pixels[0].nbytes
    fields = {"height": height, "width": width, "encoding": encoding, "is_bigendian": 0, "step": step}
    return SimpleNamespace(header=HEADER, data=pixels.tobytes(), **(fields | more))


def drawn(*shape, dtype=np.uint8, most=256):
    return np.random.default_rng(0).integers(0, most, shape).astype(dtype)


class TestPictures:
    def test_colours_are_rgb_whatever_was_sent(self):
        pixels = drawn(4, 6, 3)
        assert to_value(IMAGE, image(pixels, "rgb8")).pixels.tolist() == pixels.tolist()
        sent = to_value(IMAGE, image(np.ascontiguousarray(pixels[:, :, ::-1]), "bgr8"))
        assert sent.pixels.tolist() == pixels.tolist()
        assert (sent.encoding, sent.stamp_ns) == ("rgb8", 2_000_000_005)

    def test_rows_may_be_padded(self):
        pixels = drawn(4, 8, 3)
        padded = image(pixels, "rgb8", width=6)
        assert to_value(IMAGE, padded).pixels.tolist() == pixels[:, :6].tolist()

    def test_depth_is_read_in_either_byte_order(self):
        depth = drawn(3, 5, dtype=np.uint16, most=9000)
        for order in "<>":
            sent = image(
                depth.astype(np.dtype("uint16").newbyteorder(order)), "16UC1", is_bigendian=order == ">"
            )
            got = to_value(IMAGE, sent)
            assert got.pixels.dtype == np.uint16 and got.pixels[:, :, 0].tolist() == depth.tolist()

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ({"encoding": "yuv422"}, "'yuv422'; allowed: rgb8, bgr8"),
            ({"data": b"123"}, "holds 3 bytes"),
            ({"step": 3}, "rows of 3; at least 18"),
            ({"width": 0}, "0 x 4 pixels"),
            ({"height": 10**6, "width": 10**6}, "allowed are 1 to"),
        ],
    )
    def test_one_that_is_not_whole_is_refused(self, change, problem):
        with pytest.raises(DataError, match=problem):
            to_value(IMAGE, SimpleNamespace(**(vars(image(drawn(4, 6, 3), "rgb8")) | change)))

    @pytest.mark.parametrize(("kind", "exact"), [("PNG", True), ("JPEG", False)])
    def test_compressed_ones_are_read(self, kind, exact):
        pixels = np.tile(np.arange(64, dtype=np.uint8)[:, None, None], (1, 48, 3))
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, kind)
        message = SimpleNamespace(header=HEADER, format=kind.lower(), data=buffer.getvalue())
        got = to_value(COMPRESSED_IMAGE, message).pixels
        assert got.shape == pixels.shape
        assert np.abs(got.astype(int) - pixels).max() <= (0 if exact else 8)
        message.data = buffer.getvalue()[:-40]
        with pytest.raises(DataError, match="damaged"):
            to_value(COMPRESSED_IMAGE, message)

    def test_compressed_depth_is_read_from_png(self):
        depth = drawn(7, 9, dtype=np.uint16, most=9000)
        buffer = io.BytesIO()
        Image.fromarray(depth).save(buffer, "PNG")
        message = SimpleNamespace(header=HEADER, format="png", data=buffer.getvalue())
        got = to_value(COMPRESSED_IMAGE, message)
        assert got.encoding == "16UC1" and got.pixels[:, :, 0].tolist() == depth.tolist()

    def test_what_is_no_picture_is_named(self):
        with pytest.raises(DataError, match="'h264' is neither JPEG nor PNG"):
            to_value(COMPRESSED_IMAGE, SimpleNamespace(header=HEADER, format="h264", data=b"\x00\x01"))

    def test_what_is_written_is_read_again(self):
        for encoding, pixels in (
            ("rgb8", drawn(4, 6, 3)),
            ("16UC1", drawn(4, 6, 1, dtype=np.uint16, most=9000)),
        ):
            made = to_message(IMAGE, Picture(7, encoding, pixels), lambda _: SimpleNamespace, "camera")
            got = to_value(IMAGE, SimpleNamespace(**vars(made), is_bigendian=0))
            assert (got.stamp_ns, got.encoding) == (7, encoding) and (got.pixels == pixels).all()


class TestViews:
    def test_a_view_is_cropped_and_resized_and_the_same_each_time(self):
        seen = View(width=10, height=8, crop=(4, 2, 20, 16))
        given = Picture(0, "rgb8", drawn(30, 40, 3))
        made = seen.of(given)
        assert made.shape == seen.shape == (8, 10, 3) and made.dtype == np.uint8
        assert made.tobytes() == seen.of(given).tobytes()
        inner = Picture(0, "rgb8", given.pixels[2:18, 4:24])
        assert made.tobytes() == View(10, 8).of(inner).tobytes()

    def test_greys_and_colours_become_one_another(self):
        colours = Picture(0, "rgb8", drawn(8, 8, 3))
        assert View(8, 8, encoding="mono8").of(colours).shape == (8, 8, 1)
        grey = Picture(0, "mono8", drawn(8, 8, 1))
        assert (View(8, 8).of(grey) == grey.pixels).all()

    def test_depth_is_never_made_up(self):
        depth = Picture(0, "16UC1", drawn(24, 32, 1, dtype=np.uint16, most=9000))
        seen = View(5, 7, encoding="16UC1").of(depth)
        assert seen.shape == (7, 5, 1) and set(seen.ravel().tolist()) <= set(depth.pixels.ravel().tolist())
        with pytest.raises(DataError, match="in 16UC1, which cannot be seen as rgb8"):
            View(5, 7).of(depth)

    def test_a_crop_beyond_the_picture_is_named(self):
        with pytest.raises(DataError, match=r"40 x 30 pixels, and the contract's crop \[30, 0, 20, 10\]"):
            View(4, 4, crop=(30, 0, 20, 10)).of(Picture(0, "rgb8", drawn(30, 40, 3)))


class TestNumbers:
    def test_a_wrench_has_six_named_numbers(self):
        x = [SimpleNamespace(**dict(zip("xyz", v))) for v in ((1, 2, 3), (4, 5, 6))]
        message = SimpleNamespace(header=HEADER, wrench=SimpleNamespace(force=x[0], torque=x[1]))
        value = to_value("geometry_msgs/msg/WrenchStamped", message)
        assert value.names == codec_of("geometry_msgs/msg/WrenchStamped").elements
        assert dict(zip(value.names, value.values)) == {
            "force.x": 1, "force.y": 2, "force.z": 3, "torque.x": 4, "torque.y": 5, "torque.z": 6,
        }  # fmt: skip

    def test_an_array_gets_its_names_from_the_contract(self):
        message = SimpleNamespace(data=[0.1, 0.2])
        assert to_value("std_msgs/msg/Float64MultiArray", message, ["a", "b"]).names == ("a", "b")
        with pytest.raises(DataError, match="holds 2 numbers, and the contract names 3"):
            to_value("std_msgs/msg/Float64MultiArray", message, ["a", "b", "c"])


def test_what_nobody_writes_says_so():
    with pytest.raises(DataError, match="are read and not written"):
        to_message(COMPRESSED_IMAGE, Picture(0, "rgb8", drawn(2, 2, 3)), lambda _: SimpleNamespace, "x")
    assert {codec.kind for codec in CODECS.values()} == {"joints", "scene", "command", "numbers", "picture"}

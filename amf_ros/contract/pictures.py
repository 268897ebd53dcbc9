"""Pictures: messages -> pixels -> what a policy sees of them. The same code live, recording and in replay.

Colours are RGB whatever a camera sends, greys have one channel, depth is uint16 [mm] with 0 where nothing was
measured. Imports core, numpy and Pillow.

    seen = View(width=96, height=72).of(picture(message, stamp_ns))      # (72, 96, 3) uint8
"""

from __future__ import annotations

import array
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from amf_ros.core.errors import DataError
from amf_ros.core.values import Picture

Encoding = Literal["rgb8", "mono8", "16UC1"]
CHANNELS: Final = {"rgb8": 3, "mono8": 1, "16UC1": 1}
DTYPES: Final = {"rgb8": "uint8", "mono8": "uint8", "16UC1": "uint16"}
# As messages name them -> what the pixels become, and whether channels come the other way round.
_SENT: Final[dict[str, tuple[Encoding, bool]]] = {
    "rgb8": ("rgb8", False),
    "bgr8": ("rgb8", True),
    "mono8": ("mono8", False),
    "8UC1": ("mono8", False),
    "16UC1": ("16UC1", False),
    "mono16": ("16UC1", False),
}
MOST_PIXELS = 64_000_000


def picture(message: Any, stamp_ns: int) -> Picture:
    """Read a ``sensor_msgs/Image``.

    Raises:
        DataError: an encoding that is not read, or fewer bytes than its size says.
    """
    if message.encoding not in _SENT:
        raise DataError(f"picture is encoded {message.encoding[:40]!r}; allowed: {', '.join(_SENT)}")
    encoding, reversed_ = _SENT[message.encoding]
    height, width, channels = int(message.height), int(message.width), CHANNELS[encoding]
    _require_size(width, height)
    dtype = np.dtype(DTYPES[encoding]).newbyteorder(">" if message.is_bigendian else "<")
    row, step = width * channels * dtype.itemsize, int(message.step)
    data = np.frombuffer(message.data, dtype=np.uint8)
    if step < row or len(data) < step * height:
        raise DataError(
            f"picture of {width} x {height} in {message.encoding} holds {len(data)} bytes in rows of {step}; "
            f"at least {row} a row are needed"
        )
    rows = np.ascontiguousarray(data[: step * height].reshape(height, step)[:, :row])
    pixels = rows.view(dtype).reshape(height, width, channels).astype(DTYPES[encoding])
    return Picture(stamp_ns, encoding, pixels[:, :, ::-1] if reversed_ else pixels)


def image_fields(value: Picture, classes: Callable[[str], Any]) -> dict[str, Any]:
    """Write the fields of a ``sensor_msgs/Image``."""
    height, width, channels = value.pixels.shape
    little = np.dtype(DTYPES[value.encoding]).newbyteorder("<")
    data = np.ascontiguousarray(value.pixels, dtype=little)
    step = width * channels * little.itemsize
    pixels = array.array("B", data.tobytes())
    return {"height": height, "width": width, "encoding": value.encoding, "step": step, "data": pixels}


def compressed_picture(message: Any, stamp_ns: int) -> Picture:
    """Read a ``sensor_msgs/CompressedImage`` in JPEG or PNG.

    Raises:
        DataError: another format, or data that is damaged.
    """
    data = io.BytesIO(bytes(message.data))
    try:
        with Image.open(data, formats=("JPEG", "PNG")) as opened:
            _require_size(*opened.size)
            if opened.mode.startswith("I"):  # PNG of 16 bits: depth
                return Picture(stamp_ns, "16UC1", np.array(opened).astype(np.uint16)[:, :, None])
            if opened.mode in ("1", "L"):
                return Picture(stamp_ns, "mono8", np.array(opened.convert("L"))[:, :, None])
            return Picture(stamp_ns, "rgb8", np.array(opened.convert("RGB")))
    except UnidentifiedImageError as error:
        raise DataError(
            f"compressed picture of format {str(message.format)[:40]!r} is neither JPEG nor PNG; "
            "let the camera send one of them"
        ) from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:  # what Pillow raises
        raise DataError(f"compressed picture is damaged: {error}") from error


def _require_size(width: int, height: int) -> None:
    if not (width > 0 and height > 0 and width * height <= MOST_PIXELS):
        raise DataError(f"picture has {width} x {height} pixels; allowed are 1 to {MOST_PIXELS}")


@dataclass(frozen=True)
class View:
    """What a policy sees of a picture: a part of it, resized.

    Attributes:
        width, height: of the result [pixel].
        crop: left, top, width and height of the part, before it is resized [pixel]; None = all of it.
        encoding: of the result; colours become greys or greys colours, depth stays depth.
    """

    width: int
    height: int
    crop: tuple[int, int, int, int] | None = None
    encoding: Encoding = "rgb8"

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of the result: (height, width, channels)."""
        return self.height, self.width, CHANNELS[self.encoding]

    @property
    def dtype(self) -> str:
        """The type of its numbers: uint8, or uint16 for depth."""
        return DTYPES[self.encoding]

    def of(self, picture: Picture) -> NDArray[Any]:
        """Take the view of a picture, (height, width, channels).

        Colours are averaged as Pillow's bilinear filter does; of depth the nearest pixel counts, since a mean
        of two distances is a place where nothing is.

        Raises:
            DataError: the crop reaches beyond the picture, or depth is wanted of colours or the reverse.
        """
        pixels = self._cropped(picture.pixels)
        if (picture.encoding == "16UC1") != (self.encoding == "16UC1"):
            raise DataError(f"picture is in {picture.encoding}, which cannot be seen as {self.encoding}")
        if self.encoding == "16UC1":
            return self._nearest(pixels)
        image = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels))
        image = image.convert("L" if self.encoding == "mono8" else "RGB")
        if image.size != (self.width, self.height):
            image = image.resize((self.width, self.height), Image.Resampling.BILINEAR)
        return np.array(image).reshape(self.shape)

    def _cropped(self, pixels: NDArray[Any]) -> NDArray[Any]:
        if self.crop is None:
            return pixels
        left, top, width, height = self.crop
        if left + width > pixels.shape[1] or top + height > pixels.shape[0]:
            raise DataError(
                f"picture has {pixels.shape[1]} x {pixels.shape[0]} pixels, and the contract's crop "
                f"{list(self.crop)} reaches beyond; crop within what the camera sends"
            )
        return pixels[top : top + height, left : left + width]

    def _nearest(self, pixels: NDArray[Any]) -> NDArray[Any]:
        rows = (2 * np.arange(self.height) + 1) * pixels.shape[0] // (2 * self.height)
        columns = (2 * np.arange(self.width) + 1) * pixels.shape[1] // (2 * self.width)
        nearest: NDArray[Any] = pixels[rows[:, None], columns]
        return nearest

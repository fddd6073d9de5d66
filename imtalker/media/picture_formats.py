"""Opening picture files: whatever this installation can read, said plainly where it cannot."""

import importlib
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from imtalker.errors import InputError

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "BMP", "TIFF", "GIF")  # and HEIF, which Pillow does not read by itself
NAMES = "JPEG, PNG, WebP, AVIF, HEIC, BMP, TIFF or GIF"
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
AVIF_BRANDS = (b"avif", b"avis")
PHOTOMETRIC, YCBCR = 262, 6  # TIFF tag and value
# what the readers raise on damaged files
BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, RuntimeError, LookupError, ArithmeticError)


@contextmanager
def open_picture(path: Path, check_size: Callable[[int, int, str], None]) -> Iterator[Image.Image]:
    """Open a picture file; nothing is decoded before ``check_size`` (width, height, name) has passed.

    Raises:
        InputError: not a picture, of a kind that cannot be read here, or damaged; whatever ``check_size`` raises.
    """
    kind = _container_kind(path)
    if kind == "heif":
        yield _open_heif(path, check_size)
        return
    try:
        image = Image.open(path, formats=readable_formats())
    except UnidentifiedImageError as error:
        if kind == "avif":
            raise InputError(
                f"picture {path} is AVIF, which is damaged or cannot be read by this installation; "
                "install pillow 11.3 or later, or save it as JPEG"
            ) from error
        raise InputError(f"picture {path} is not a {NAMES} file; save it as one of these") from error
    with image:
        check_size(image.width, image.height, f"picture {path}")
        yield image


def readable_formats() -> tuple[str, ...]:
    """Those of ``FORMATS`` that the installed Pillow has a reader for."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def load_pixels(image: Image.Image, path: Path | None) -> Image.Image:
    """The image with its pixels read; uncompressed YCbCr TIFFs, which Pillow takes for RGB, are read by OpenCV."""
    try:
        image.load()
    except BROKEN:
        tags: Any = getattr(image, "tag_v2", {})
        if path is None or tags.get(PHOTOMETRIC) != YCBCR:
            raise
        pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR_RGB)
        if pixels is None:
            raise
        return Image.fromarray(pixels)
    return image


def _open_heif(path: Path, check_size: Callable[[int, int, str], None]) -> Image.Image:
    """A HEIC photograph as phones make them. Turned upright by the library; a colour profile is kept."""
    try:
        pillow_heif = importlib.import_module("pillow_heif")
    except ImportError as error:
        raise InputError(
            f"picture {path} is HEIC, which needs the package pillow-heif; install it, or save the picture as JPEG"
        ) from error
    try:
        heif = pillow_heif.open_heif(str(path), convert_hdr_to_8bit=True)
        width, height = heif.size
        check_size(width, height, f"picture {path}")
        return heif.to_pillow()
    except InputError:
        raise
    except BROKEN as error:
        reason = " ".join(str(error).split())  # the library's own has several lines
        raise InputError(f"picture {path} is damaged ({reason}); save it again from the original") from error


def _container_kind(path: Path) -> str | None:
    """ "heif" or "avif" by the brands in the first box of the file; None for everything else."""
    with path.open("rb") as file:
        head = file.read(64)
    if head[4:8] != b"ftyp":
        return None
    brands = [head[8:12], *(head[i : i + 4] for i in range(16, min(len(head), int.from_bytes(head[:4])), 4))]
    if any(brand in AVIF_BRANDS for brand in brands):
        return "avif"
    return "heif" if any(brand in HEIF_BRANDS for brand in brands) else None

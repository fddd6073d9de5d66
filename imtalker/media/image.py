"""Portraits: any common picture file, PIL image or array -> uint8 RGB."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

from imtalker.errors import InputError
from imtalker.media.container import existing_file
from imtalker.media.picture_formats import BROKEN, load_pixels, open_picture

logger = logging.getLogger(__name__)

MAX_PIXELS = 100_000_000  # refused by the header alone, before anything is decoded
_LIMIT = f"more than {MAX_PIXELS // 1_000_000} million pixels"
MIN_SIDE = 32  # pixels
STRIP = 256  # rows copied at a time
WHITE = (255, 255, 255)
ORIENTATION = 0x0112  # EXIF tag

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # our own limit decides


def load_portrait(
    source: str | Path | Image.Image | np.ndarray, background: tuple[int, int, int] = WHITE
) -> np.ndarray:
    """Load a portrait as uint8 RGB ``(H, W, 3)``, upright.

    EXIF rotation and an embedded colour profile are applied, transparency is laid on ``background``
    (RGB, 0..255), grey, palette, 16-bit, float and CMYK pictures are converted, animations give their first
    picture.

    Args:
        source: path of a JPEG, PNG, WebP, AVIF, HEIC, BMP, TIFF or GIF file; a PIL image; or an array
            ``(H, W)``, ``(H, W, 1 | 3 | 4)`` of uint8 0..255, uint16 0..65535 or float 0..1.

    Raises:
        InputError: no such file, no picture, damaged, smaller than 32 or larger than 100 million pixels.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, background)
    if isinstance(source, Image.Image):
        return _convert(source, "the picture", background)
    with _opened(source) as (path, image):
        return _convert(image, f"picture {path}", background, path)


def probe_picture(path: str | Path) -> None:
    """Raise InputError as ``load_portrait`` does, as far as a file's header tells."""
    with _opened(path):
        pass


@contextmanager
def _opened(source: str | Path) -> Iterator[tuple[Path, Image.Image]]:
    path = existing_file(source, "picture")
    try:
        with open_picture(path, _check_size) as image:
            yield path, image
    except Image.DecompressionBombError as error:
        raise InputError(f"picture {path} is too large, {_LIMIT}; reduce it") from error
    except InputError:
        raise
    except BROKEN as error:
        raise InputError(f"picture {path} is damaged ({error}); save it again from the original") from error


def _convert(image: Image.Image, name: str, background: tuple[int, int, int], path: Path | None = None) -> np.ndarray:
    """The pixels upright in sRGB. Copies are made only where something changes: pictures may be large."""
    _check_size(image.width, image.height, name)
    profile = image.info.get("icc_profile")
    try:
        image = load_pixels(image, path)
        if image.getexif().get(ORIENTATION, 1) != 1:
            image = ImageOps.exif_transpose(image)
    except BROKEN as error:
        raise InputError(f"{name} is damaged ({error}); save it again from the original") from error
    if image.mode == "F" or image.mode.startswith("I"):
        image = Image.fromarray(_deep_grey_to_uint8(np.asarray(image), name))
    if image.mode in ("LA", "PA", "La", "RGBa") or (image.mode != "RGBA" and "transparency" in image.info):
        image = image.convert("RGBA")
    if image.mode == "RGBA":
        canvas = Image.new("RGB", image.size, background)
        canvas.paste(image, mask=image.getchannel("A"))
        image = canvas
    if profile and image.mode in ("RGB", "CMYK"):
        image = _to_srgb(image, profile, name)
    return _as_array(image if image.mode == "RGB" else image.convert("RGB"))


def _as_array(image: Image.Image) -> np.ndarray:
    """The pixels, copied in strips: at once, Pillow would make two more copies of a large picture on the way."""
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, STRIP):
        bottom = min(top + STRIP, image.height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return pixels


def _to_srgb(image: Image.Image, profile: bytes, name: str) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        logger.warning("%s: its colour profile is ignored (%s)", name, error)
        return image
    return converted if converted is not None else image


def _deep_grey_to_uint8(grey: np.ndarray, name: str) -> np.ndarray:
    """16-bit, 32-bit or float grey -> uint8; Pillow's own conversion clips instead of scaling."""
    low, top = float(grey.min()), float(grey.max())  # a value that is not finite shows in one of them
    if not np.isfinite([low, top]).all():
        raise InputError(f"{name} has pixels that are not finite numbers; save it as an 8-bit PNG")
    scale = 255.0 if top <= 1.0 else 1.0 if top <= 255.0 and grey.dtype.kind == "f" else 255.0 / 65535.0
    result = np.empty(grey.shape, np.uint8)
    for row, values in enumerate(grey):  # a row at a time: large pictures are not held in floats
        result[row] = np.clip(np.rint(values * scale), 0, 255)
    return result


def _from_array(array: np.ndarray, background: tuple[int, int, int]) -> np.ndarray:
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise InputError(f"a picture array has shape {array.shape}; pass (H, W), (H, W, 3) or (H, W, 4)")
    _check_size(array.shape[1], array.shape[0], "the picture")
    if array.dtype.kind == "f":
        if not np.isfinite(array).all() or array.min() < 0.0 or array.max() > 1.0:
            raise InputError("a float picture has values outside 0..1; scale it, or pass uint8 0..255")
        array = np.rint(array * 255.0).astype(np.uint8)
    elif array.dtype == np.uint16:
        array = np.rint(array / 257.0).astype(np.uint8)
    elif array.dtype != np.uint8:
        raise InputError(f"a picture array has type {array.dtype}; pass uint8, uint16 or float 0..1")
    if array.shape[2] == 1:
        return np.repeat(array, 3, axis=2)
    if array.shape[2] == 4:
        return _convert(Image.fromarray(array), "the picture", background)
    return np.ascontiguousarray(array).copy()


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise InputError(f"{name} has {width}x{height} pixels, {_LIMIT}; reduce it")
    if min(width, height) < MIN_SIDE:
        raise InputError(f"{name} has {width}x{height} pixels; a portrait needs at least {MIN_SIDE} on each side")

"""Portrait files: every format, mode and orientation becomes the same upright uint8 RGB."""

import sys

import numpy as np
import pytest
from PIL import Image, ImageCms

from imtalker.errors import InputError
from imtalker.media.image import load_portrait

FORMATS = ["jpg", "png", "webp", "avif", "bmp", "tiff", "gif"]


@pytest.fixture
def picture() -> np.ndarray:
    """Red upper half, blue lower half, a green corner: orientation shows."""
    image = np.zeros((60, 80, 3), np.uint8)
    image[:30], image[30:] = (200, 30, 30), (30, 30, 200)
    image[:20, :20] = (30, 200, 30)
    return image


def close(found: np.ndarray, wanted: np.ndarray, tolerance: float = 12) -> bool:
    return found.shape == wanted.shape and np.abs(found.astype(int) - wanted).mean() < tolerance


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_the_picture(tmp_path, picture, suffix):
    path = tmp_path / f"p.{suffix}"
    Image.fromarray(picture).save(path)
    loaded = load_portrait(path)
    assert loaded.dtype == np.uint8 and close(loaded, picture)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, picture, orientation):
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.Transpose that stores the picture so
    image = Image.fromarray(picture)
    stored = image if orientation == 1 else image.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "p.png", exif=exif)
    assert close(load_portrait(tmp_path / "p.png"), picture, 1)


def test_alpha_is_laid_on_the_chosen_background(tmp_path, picture):
    alpha = np.full((60, 80, 1), 255, np.uint8)
    alpha[:, 40:] = 0
    alpha[:, 39] = 128
    Image.fromarray(np.dstack([picture, alpha])).save(tmp_path / "p.png")
    loaded = load_portrait(tmp_path / "p.png", background=(0, 255, 0))
    assert (loaded[:, 40:] == (0, 255, 0)).all() and (loaded[:, :39] == picture[:, :39]).all()
    assert np.abs(loaded[50, 39].astype(int) - (15, 142, 100)).max() <= 1
    assert (load_portrait(tmp_path / "p.png")[:, 40:] == 255).all()
    assert (load_portrait(Image.open(tmp_path / "p.png"), background=(0, 255, 0)) == loaded).all()
    assert (load_portrait(np.dstack([picture, alpha]), background=(0, 255, 0)) == loaded).all()


def test_transparent_palette_is_laid_on_the_background(tmp_path, picture):
    image = Image.fromarray(picture).quantize(8)
    image.info["transparency"] = image.getpixel((79, 59))
    image.save(tmp_path / "p.gif", transparency=image.getpixel((79, 59)))
    assert (load_portrait(tmp_path / "p.gif", background=(1, 2, 3))[-1, -1] == (1, 2, 3)).all()


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path, suffix):
    ramp = np.tile(np.linspace(0, 65535, 80).astype(np.uint16), (60, 1))
    Image.fromarray(ramp).save(tmp_path / f"p.{suffix}")
    loaded = load_portrait(tmp_path / f"p.{suffix}")
    assert np.abs(loaded[..., 0].astype(int) - np.rint(ramp / 257)).max() <= 1
    assert (loaded[..., 0] == loaded[..., 2]).all()


def test_float_tiff_and_8_bit_grey(tmp_path):
    ramp = np.tile(np.linspace(0, 1, 80, dtype=np.float32), (60, 1))
    Image.fromarray(ramp).save(tmp_path / "p.tiff")
    assert np.abs(load_portrait(tmp_path / "p.tiff")[0, :, 1].astype(int) - np.rint(ramp[0] * 255)).max() <= 1
    Image.fromarray((ramp * 255).astype(np.uint8)).save(tmp_path / "g.jpg")
    assert load_portrait(tmp_path / "g.jpg").shape == (60, 80, 3)


def test_cmyk_jpeg(tmp_path, picture):
    Image.fromarray(picture).convert("CMYK").save(tmp_path / "p.jpg", quality=95)
    assert close(load_portrait(tmp_path / "p.jpg"), picture)


def test_colour_profile_is_applied(tmp_path, picture):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    Image.fromarray(picture).save(tmp_path / "p.png", icc_profile=profile.tobytes())
    assert close(load_portrait(tmp_path / "p.png"), picture, 1)
    Image.fromarray(picture).save(tmp_path / "q.png", icc_profile=b"not a profile")
    assert close(load_portrait(tmp_path / "q.png"), picture, 1)


def test_animation_gives_its_first_picture(tmp_path, picture):
    other = Image.fromarray(255 - picture)
    Image.fromarray(picture).save(tmp_path / "p.webp", save_all=True, append_images=[other], lossless=True)
    assert close(load_portrait(tmp_path / "p.webp"), picture, 2)


def test_arrays(picture):
    assert (load_portrait(picture) == picture).all()
    assert (load_portrait(picture.astype(np.float32) / 255) == picture).all()
    assert (load_portrait(picture.astype(np.uint16) * 257) == picture).all()
    assert (load_portrait(picture[..., 0]) == picture[..., :1]).all()


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((60, 80, 5), np.uint8),
        np.zeros((60,), np.uint8),
        np.full((60, 80), np.nan),
        np.full((60, 80), 255.0),
        np.zeros((60, 80), np.int64),
        np.zeros((4, 80), np.uint8),
    ],
)
def test_unusable_arrays_are_refused(array):
    with pytest.raises(InputError):
        load_portrait(array)


def test_heic_photographs(tmp_path, picture):
    pillow_heif = pytest.importorskip("pillow_heif")
    tall = np.ascontiguousarray(picture[:, :50])
    pillow_heif.from_pillow(Image.fromarray(tall)).save(tmp_path / "IMG_0001.HEIC", quality=95)
    (tmp_path / "named.jpg").write_bytes((tmp_path / "IMG_0001.HEIC").read_bytes())
    for name in ("IMG_0001.HEIC", "named.jpg"):  # phones and messengers name them as they like
        assert close(load_portrait(tmp_path / name), tall)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = Image.fromarray(tall).transpose(Image.Transpose.ROTATE_90)
    pillow_heif.from_pillow(turned).save(tmp_path / "turned.heic", quality=95, exif=exif.tobytes())
    assert close(load_portrait(tmp_path / "turned.heic"), tall)


def test_heic_that_cannot_be_read_is_refused_in_one_line(tmp_path, picture):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.from_pillow(Image.fromarray(picture)).save(tmp_path / "whole.heic")
    whole, path = (tmp_path / "whole.heic").read_bytes(), tmp_path / "IMG_0002.HEIC"
    for data in (
        whole[:70],
        whole[:400],
        *(whole.replace(box, b"free") for box in (b"meta", b"hvcC", b"pitm", b"iloc")),
    ):
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"^picture .*IMG_0002\.HEIC is damaged .*; save it again") as told:
            load_portrait(path)
        assert "\n" not in str(told.value)


def test_a_missing_reader_is_named(tmp_path, picture, monkeypatch):
    brands = {"x.heic": b"ftypheic\0\0\0\0mif1heic", "x.avif": b"ftypavif\0\0\0\0avifmif1"}
    for name, head in brands.items():
        (tmp_path / name).write_bytes((len(head) + 4).to_bytes(4, "big") + head + bytes(100))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(InputError, match="pillow-heif"):
        load_portrait(tmp_path / "x.heic")
    Image.init()
    monkeypatch.delitem(Image.OPEN, "AVIF")  # as Pillow before 11.3
    for suffix in ("jpg", "png", "bmp", "tiff", "gif", "webp"):
        Image.fromarray(picture).save(tmp_path / f"p.{suffix}")
        assert close(load_portrait(tmp_path / f"p.{suffix}"), picture)
    with pytest.raises(InputError, match=r"pillow 11\.3"):
        load_portrait(tmp_path / "x.avif")


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "jpeg"])
def test_ycbcr_tiff(tmp_path, picture, compression):
    Image.fromarray(picture).convert("YCbCr").save(tmp_path / "p.tif", compression=compression)
    assert close(load_portrait(tmp_path / "p.tif"), picture)


@pytest.mark.parametrize("name", ["x.ico", "x.jp2", "x.psd", "x.svg", "x.pdf", "x.jpg"])
def test_other_files_are_refused_by_name(tmp_path, picture, name):
    if name.endswith(("ico", "jp2")):
        Image.fromarray(picture).save(tmp_path / name)
    else:
        (tmp_path / name).write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>" * 20)
    with pytest.raises(InputError, match=rf"{name} is not a .*HEIC.*save it as one of these"):
        load_portrait(tmp_path / name)


def test_wide_colours_become_those_of_a_screen(tmp_path):
    """Display P3, as phones and Macs write it: a red both can show keeps its colour, not its numbers."""
    profile = ImageCms.ImageCmsProfile(p3_profile(tmp_path))
    stored = np.full((40, 40, 3), (184, 60, 42), np.uint8)  # sRGB (200, 45, 30) in Display P3
    Image.fromarray(stored).save(tmp_path / "p3.png", icc_profile=profile.tobytes())
    assert np.abs(load_portrait(tmp_path / "p3.png").astype(int) - (200, 45, 30)).max() <= 3


def p3_profile(folder):
    """A minimal matrix profile (ICC v2) with the primaries of Display P3, adapted to D50."""

    def tag_xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(round(v * 65536).to_bytes(4, "big", signed=True) for v in values)

    curve = b"para\0\0\0\0\0\x03\0\0" + b"".join(
        round(v * 65536).to_bytes(4, "big") for v in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    )
    tags = {
        b"desc": b"desc\0\0\0\0\0\0\0\x03P3\0" + bytes(79),
        b"wtpt": tag_xyz(0.9642, 1.0, 0.8249),
        b"rXYZ": tag_xyz(0.5151, 0.2412, -0.0011),
        b"gXYZ": tag_xyz(0.2920, 0.6922, 0.0419),
        b"bXYZ": tag_xyz(0.1571, 0.0666, 0.7841),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    offset, table, data = 128 + 4 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        table += name + (offset + len(data)).to_bytes(4, "big") + len(content).to_bytes(4, "big")
        data += content
    body = len(tags).to_bytes(4, "big") + table + data
    header = (128 + len(body)).to_bytes(4, "big") + bytes(4) + b"\x02\x40\0\0mntrRGB XYZ " + bytes(12) + b"acsp"
    header += bytes(128 - len(header) - 60) + bytes(60)
    header = header[:68] + tag_xyz(0.9642, 1.0, 0.8249)[8:] + header[80:]
    path = folder / "p3.icc"
    path.write_bytes(header + body)
    return str(path)

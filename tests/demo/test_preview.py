"""The preview: faces judged in words, squares corrected by hand, and a clip judged by its first frame with a face."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from imtalker.demo.page.crop_preview import adjusted, describe_faces, draw, face_at, face_report, square_at
from imtalker.demo.page.framing_panel import (
    BY_HAND,
    WHOLE,
    Framed,
    FramingPanel,
    base_square,
    choices,
    crop_for,
    verdict_html,
)
from imtalker.demo.page.widgets import as_shown
from imtalker.demo.runs.nobody import MAX_BYTES, Nobodies
from imtalker.errors import InputError
from imtalker.media.crop import CropBox
from imtalker.media.framing import format_crop, parse_crop
from imtalker.media.remark import Remark
from imtalker.media.video_writer import VideoWriter
from tests.support.drawn_face import DrawnFace, draw_face


def test_faces_are_judged_in_words(pipeline):
    image = draw_face(DrawnFace(), 512)
    reports = describe_faces(image, pipeline.framing)
    assert [report.index for report in reports] == [0]
    assert reports[0].crop == pipeline.framing.of_picture(image)  # what a run takes
    face = pipeline.framing.faces(image)[0]
    for levels, worst in (([], "good"), (["note"], "good"), (["fair", "note"], "fair"), (["fair", "poor"], "poor")):
        remarks = [Remark("x", f"it is {level}; mend it", level) for level in levels]  # pyright: ignore[reportArgumentType]
        report = face_report(0, face, reports[0].crop, remarks)
        assert report.level == worst and report.remarks == [remark.words for remark in remarks]
    x0, y0, x1, y1 = reports[0].box
    assert face_at(reports, (x0 + x1) / 2, (y0 + y1) / 2) == 0 and face_at(reports, 1, 1) is None
    picture, scale = draw(image, reports, 0, reports[0].crop)
    assert picture.shape == (512, 512, 3) and scale == 1.0 and not np.array_equal(picture, image)


def test_a_tilted_square_is_shown_tilted():
    image = np.full((200, 200, 3), 255, np.uint8)
    upright, _ = draw(image, [], None, CropBox(60, 60, 80))
    tilted, _ = draw(image, [], None, CropBox(60, 60, 80, 45.0))
    assert tuple(upright[66, 66]) == (255, 255, 255) and tilted[66, 66].max() < 255  # the corner has moved
    assert tuple(tilted[52, 100]) == (255, 255, 255) and upright[50, 100].max() < 255


def test_squares_can_be_corrected():
    box = CropBox(100, 50, 200)
    assert adjusted(box, 100, 0, 0, (400, 400)) == box
    assert adjusted(box, 50, 0, 0, (400, 400)) == CropBox(150, 100, 100)
    assert adjusted(box, 100, 10, 10, (400, 400)) == CropBox(120, 30, 200)
    assert square_at(10, 20, (100, 300), 50) == CropBox(-15, -5, 50)
    assert adjusted(replace(box, angle=20.0), 50, 0, 0, (400, 400)) == CropBox(150, 100, 100, 20.0)
    for square in (None, box, replace(box, angle=20.0)):
        assert parse_crop(format_crop(square)) == square


def test_a_crop_belongs_to_its_picture(pipeline):
    image = draw_face(DrawnFace())
    reports = describe_faces(image, pipeline.framing)
    framed = Framed("a.png", reports=reports, hand=CropBox(0, 0, 64), crop="0,0,64")
    assert crop_for(framed, "a.png") == "0,0,64" and crop_for(framed, "b.png") == "auto"
    assert choices(framed) == ["Face 1", WHOLE, BY_HAND]
    assert base_square(framed, BY_HAND) == CropBox(0, 0, 64) and base_square(framed, WHOLE) is None
    assert "No face" in verdict_html(Framed("c.png"), WHOLE, None)


def test_a_clip_that_begins_in_the_dark_is_framed_as_in_the_core(host, pipeline, tmp_path):
    path = tmp_path / "fade.mp4"
    with VideoWriter(path, (256, 256)) as writer:
        for _ in range(10):
            writer.write(np.zeros((256, 256, 3), np.uint8))
        for _ in range(6):
            writer.write(draw_face(DrawnFace()))
    panel = FramingPanel.__new__(FramingPanel)
    panel._host, panel._is_clip = host, True
    image, reports = panel._reports(str(path))
    assert image.mean() > 50 and len(reports) == 1
    assert reports[0].crop == pipeline.framing.of_clip(path)


def test_a_photograph_that_browsers_cannot_show_becomes_one_that_they_can(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    picture = draw_face(DrawnFace())
    path = tmp_path / "IMG_0001.HEIC"
    Image.fromarray(picture).save(path, format="PNG")  # what is inside decides, not the name
    shown = as_shown(str(path))
    with Image.open(shown) as image:
        assert image.format == "JPEG" and shown.endswith("IMG_0001.jpg")
        assert np.abs(np.asarray(image).astype(int) - picture).mean() < 3
    assert as_shown(str(tmp_path / "a.png")) == as_shown(None)  # left alone


# ---- faces of nobody ----


@pytest.fixture
def collection(tmp_path):
    """A stand-in for the public collection."""
    import threading
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    folder = tmp_path / "collection"
    for sex in ("female", "male"):
        (folder / sex / "512").mkdir(parents=True)
    Image.fromarray(draw_face(DrawnFace())).save(folder / "female/512/0.jpg")
    Image.fromarray(draw_face(DrawnFace())).save(folder / "male/512/99.jpg")
    (folder / "female/512/1.jpg").write_bytes(b"\xff" * (MAX_BYTES + 1))
    (folder / "female/512/2.jpg").write_text("<html>not a picture</html>")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_face_of_nobody_comes_with_its_source(collection, tmp_path):
    nobodies = Nobodies(collection)
    nobodies.start()
    assert nobodies.are_reachable(10)
    for number, words in ((0, "female no. 0 of"), (199, "male no. 99 of")):
        nobody = nobodies.fetch(tmp_path, number)
        assert words in nobody.words and "faker-js/assets-person-portrait" in nobody.words and "CC0" in nobody.words
        with Image.open(nobody.path) as image:
            assert image.size == (256, 256)


@pytest.mark.parametrize("number, words", [(1, "more than"), (2, "not a JPEG"), (3, "cannot be reached")])
def test_what_is_no_portrait_is_refused_and_leaves_nothing(collection, tmp_path, number, words):
    folder = tmp_path / "received"
    folder.mkdir()
    with pytest.raises(InputError, match=words):
        Nobodies(collection).fetch(folder, number)
    assert list(folder.iterdir()) == []


def test_offline_nobody_is_offered(tmp_path):
    nobodies = Nobodies("http://127.0.0.1:9")  # nobody listens there
    assert not nobodies.are_reachable()
    nobodies.start()
    assert not nobodies.are_reachable(30)
    with pytest.raises(InputError, match="cannot be reached"):
        nobodies.fetch(tmp_path)

"""The service: one run at a time in the order of asking, runs that live on unwatched, and what is kept."""

import logging
import threading
import time

import pytest

from imtalker.demo.models import ModelHost
from imtalker.demo.page.recent import Recent
from imtalker.demo.page.tables import waiting_words
from imtalker.demo.runs import live
from imtalker.demo.runs.line import Line
from imtalker.demo.runs.requests import CompareRequest, SpeechRequest
from imtalker.demo.runs.run import Finished, Progress, Stopped, Waiting
from imtalker.demo.runs.samples import Samples
from imtalker.demo.service import Service
from imtalker.demo.settings import Settings
from imtalker.errors import InputError
from tests.support.demo_setup import Inputs, speech_file

LOG = "imtalker.demo.service"


@pytest.fixture
def service(host, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    made = Service(host, Settings(preset="tiny", device="cpu"), Samples([], [], []))
    yield made
    made.close()


def speak(inputs: Inputs, **options) -> SpeechRequest:
    return SpeechRequest(str(inputs.portrait), str(inputs.speech), steps=2, **options)


# ---- the line ----


def test_tickets_are_served_in_their_order():
    line = Line()
    first, second, third = line.enter(), line.enter(), line.enter()
    assert [ticket.place for ticket in (first, second, third)] == [0, 1, 2]
    assert first.wait(0) and not second.wait(0)
    with second:
        pass  # gave up
    assert third.place == 1 and not third.wait(0)
    with first:
        pass
    assert third.wait(0) and len(line) == 1


def test_a_full_line_is_refused():
    line = Line(longest=1)
    with line.enter(), pytest.raises(InputError, match="waiting already"):
        line.enter()
    with line.enter():  # the place is free again
        assert len(line) == 1


def test_expected_seconds_follow_what_is_done_and_what_runs_usually_take(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    line = Line()
    first, second, third = line.enter(), line.enter(), line.enter()
    assert second.seconds is None  # nobody knows yet
    clock[0] += 10
    first.share = 0.25
    assert second.seconds == pytest.approx(30) and third.seconds is None
    clock[0] += 30
    with first:
        first.share = 1.0
    assert third.seconds == pytest.approx(40)  # as long as the first one took
    clock[0] += 10
    second.share = 0.5
    assert third.seconds == pytest.approx(10)


def test_waiting_is_said_in_words():
    assert waiting_words(1, None) == "One run comes first…"
    assert waiting_words(3, 42.4) == "3 runs come first, about 42 s"
    assert waiting_words(2, 300) == "2 runs come first, about 5 minutes"


# ---- runs that live on ----


def test_a_run_goes_on_when_nobody_watches_and_is_found_again(service, inputs):
    run = service.start(speak(inputs), "audio")
    watching = run.watch()
    next(watching)
    watching.close()  # the connection is lost
    events = list(service.live.find(run.name).watch())
    assert isinstance(events[-1], Finished) and events[-1].report["frames"] == 25
    again = list(service.live.find(run.name).watch())
    assert again[-1] is events[-1] and events[-1].video.is_file()


def test_every_watcher_sees_all_pieces(service, inputs, tmp_path):
    speech = speech_file(tmp_path / "long.wav", 5.0)
    run = service.start(SpeechRequest(str(inputs.portrait), str(speech), steps=2), "audio")
    seen: list[list] = [[], []]

    def watch(number: int) -> None:
        seen[number] = [piece for event in run.watch() if isinstance(event, Progress) for piece in event.pieces]

    other = threading.Thread(target=watch, args=(1,))
    other.start()
    watch(0)
    other.join()
    assert seen[0] == seen[1] and len(seen[0]) >= 2 and all(piece.is_file() for piece in seen[0])


def test_names_cannot_be_guessed_and_strangers_find_nothing(service, inputs):
    names = {service.start(speak(inputs, seed=seed), "audio").name for seed in range(3)}
    assert len(names) == 3 and all(len(bytes.fromhex(name)) == 16 for name in names)
    for name in ("", None, "0" * 32, "../" + next(iter(names))):
        assert service.live.find(name) is None


def test_stop_leaves_the_line_at_once(service, inputs):
    with service.line.enter():  # somebody else's run, however long
        run = service.start(speak(inputs), "audio")
        events = run.watch()
        assert next(events) == Waiting(1, None)
        service.live.stop(run.name)
        assert list(events) == [Stopped()]
        assert len(service.line) == 1
    assert service.live.find(run.name).result is None


def test_a_failed_run_tells_every_watcher_why(service, inputs, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no sound at all")
    run = service.start(SpeechRequest(str(inputs.portrait), str(bad)), "audio")
    for _ in range(2):
        with pytest.raises(InputError, match=r"bad\.wav"):
            list(run.watch())
    with pytest.raises(InputError, match="is gone"):
        service.start(SpeechRequest(str(inputs.portrait), str(tmp_path / "never.wav")), "audio")


def test_results_are_removed_after_their_time(service, inputs, monkeypatch):
    run = service.start(speak(inputs), "audio")
    finished = list(run.watch())[-1]
    monkeypatch.setattr(live, "KEEP_SECONDS", -1)
    assert service.live.find(run.name) is None and not finished.video.parent.exists()


def test_the_end_of_the_app_removes_everything(service, inputs, tmp_path):
    list(service.start(speak(inputs), "audio").watch())
    service.close()
    assert [path for path in (tmp_path / "gradio").rglob("*") if path.is_file()] == []


def test_recent_results_are_those_that_are_still_there(service, inputs):
    run = service.start(speak(inputs), "audio")
    list(run.watch())
    recent = Recent(service.live)
    names, words = recent.remember(run.name, ["f" * 32, 7, None])
    assert names == [run.name] and f"href='?result={run.name}'" in words and "portrait-speech" in words
    for nonsense in (None, "x", {"a": 1}, [["b"]]):
        assert recent.shown(nonsense) == ([], "")


def test_a_comparison_is_a_run_as_any_other(service, inputs):
    request = CompareRequest(str(inputs.portrait), str(inputs.speech), "portraits", str(inputs.other), steps=2)
    run = service.start(request, "compare")
    assert list(run.watch())[-1].names == ["first portrait", "second portrait"]
    assert run.result is not None and run.result.video.is_file()


# ---- the log and the health ----


def test_one_line_a_run_without_names(service, inputs, tmp_path, caplog):
    with caplog.at_level(logging.INFO, LOG):
        list(service.run(speak(inputs)))
        events = service.run(speak(inputs))
        next(events)
        events.close()
        bad = tmp_path / "secret name.wav"
        bad.write_bytes(b"x")
        with pytest.raises(InputError):
            list(service.run(SpeechRequest(str(inputs.portrait), str(bad))))
    lines = [record.message for record in caplog.records if record.name == LOG]
    assert len(lines) == 3 and lines[0].startswith("run animate_audio: finished, 1.0 s of video in ")
    assert "frames/s" in lines[0] and "dropped" in lines[1] and "failed (InputError)" in lines[2]
    assert not any("secret" in line or "portrait" in line for line in lines)


def test_health_waits_for_nothing(service):
    loading = ModelHost(Settings(preset="tiny"), lambda *_: time.sleep(9))
    before = Service(loading, Settings(), Samples([], [], []))
    assert before.health() == {"ready": False, "preset": None, "device": None, "queue": 0}
    service.host.pipeline()
    with service.line.enter():
        assert service.health() == {"ready": True, "preset": "tiny", "device": "CPU", "queue": 1}


def test_runs_end_with_the_service(service, inputs):
    before = set(threading.enumerate())
    run = service.start(speak(inputs), "speech")
    list(run.watch())
    folder, sweeper = run.folder(), {thread for thread in threading.enumerate() if thread.name == "sweep-runs"} - before
    assert len(sweeper) == 1 and folder is not None and folder.is_dir()
    service.close()
    assert service.live.find(run.name) is None and service.live.find("x") is None and not folder.exists()
    assert not any(thread.is_alive() for thread in sweeper)

"""``imtalker batch``: rows checked whole, the same files as the single commands, made once, whatever happens."""

import os
import re
import signal

import pytest
from filelock import FileLock
from PIL import Image

from imtalker.cli import main
from imtalker.commands.batching.options import commands, parse_cell
from imtalker.commands.batching.sharing import default_workers, resources_of_worker
from imtalker.commands.batching.table import read_table
from imtalker.errors import InputError
from imtalker.media.video_writer import VideoWriter
from tests.support.batch import batch_things, results, write_table


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    return batch_things(tmp_path_factory.mktemp("things"))


def batch(things, folder, name="jobs.csv", *options: str) -> int:
    return main(["batch", str(things / name), "-o", str(folder), "--device", "cpu", *options])


@pytest.fixture(scope="module")
def done(things, tmp_path_factory):
    """A finished batch: four rows, animate and dub."""
    folder = tmp_path_factory.mktemp("done")
    assert batch(things, folder) == 0
    return folder


def test_rows_give_the_files_of_the_single_commands(things, done, tmp_path):
    options = ["--preset", str(things / "weights"), "--steps", "1"]
    speech, clip = str(things / "speech.wav"), str(things / "clip.mp4")
    alone = ["animate", "--portrait", str(things / "ann.png"), "--audio", speech, "--yaw", "4", "--paste-back"]
    assert main([*alone, *options, "-o", str(tmp_path / "a.mp4")]) == 0
    assert main(["dub", "--video", clip, "--audio", speech, *options, "-o", str(tmp_path / "d.mp4")]) == 0
    for mine, theirs in (("a.mp4", "more/a.mp4"), ("d.mp4", "d.mp4")):
        assert (tmp_path / mine).read_bytes() == (done / theirs).read_bytes()


def test_each_row_has_its_line_and_nothing_else_is_left(done):
    lines = results(done)
    assert [(line["row"], line["outcome"]) for line in lines] == [(2, "done"), (3, "done"), (4, "done"), (5, "done")]
    assert all(line["bytes"] == (done / line["output"]).stat().st_size for line in lines)
    files = {file.relative_to(done).as_posix() for file in done.rglob("*") if file.is_file()}
    assert files == {"results.jsonl", "more/a.mp4", "ann_speech.mp4", "d.mp4", "v.mp4", "v-side-by-side.mp4"}


def test_finished_rows_are_not_made_again(things, done, capsys):
    before = {file: file.stat().st_mtime_ns for file in done.rglob("*.mp4")}
    assert batch(things, done) == 0
    assert "4 rows: 0 made, 4 were there already" in capsys.readouterr().err
    assert before == {file: file.stat().st_mtime_ns for file in done.rglob("*.mp4")} and len(results(done)) == 4


def test_changed_damaged_and_missing_results_are_made_again(things, tmp_path, capsys):
    rows = [{"portrait": "ann.png", "audio": "speech.wav", "output": f"{n}.mp4"} for n in "abcd"]
    write_table(things / "again.csv", things, rows)
    assert batch(things, tmp_path, "again.csv") == 0
    first = {name: (tmp_path / name).read_bytes() for name in ("a.mp4", "b.mp4", "c.mp4", "d.mp4")}
    (tmp_path / "a.mp4").unlink()
    (tmp_path / "b.mp4").write_bytes(first["b.mp4"][:-10])
    rows[2]["seed"] = "9"
    write_table(things / "again.csv", things, rows)
    (tmp_path / "results.jsonl").open("a").write('{"row": 5, "outp')  # torn by a machine that went down
    assert batch(things, tmp_path, "again.csv") == 0
    assert "3 made, 1 were there already" in capsys.readouterr().err
    assert [(tmp_path / name).read_bytes() == data for name, data in first.items()] == [True, True, False, True]
    write_table(things / "again.csv", things, rows)
    assert batch(things, tmp_path, "again.csv") == 0 and "0 made, 4" in capsys.readouterr().err


def test_all_mistakes_are_told_before_anything_is_made(things, tmp_path, capsys):
    good = {"portrait": "ann.png", "audio": "speech.wav"}
    wrong = [  # row, what stands there, the column and the value or the remedy
        ({"yaw": "left"}, "column yaw: 'left' is no number"),
        ({"yaw": "500"}, "column yaw: yaw is 500"),
        ({"steps": "2.5"}, "column steps: '2.5' is no whole number"),
        ({"solver": "rk4"}, "column solver: 'rk4' is unknown; choose one of euler"),
        ({"paste-back": "perhaps"}, "column paste-back: 'perhaps' is neither yes nor no"),
        ({"audio": "nowhere.wav"}, "column audio: audio file"),
        ({"audio": "ann.png"}, "column audio: audio file"),
        ({"portrait": "speech.wav"}, "column portrait: picture"),
        ({"video": "clip.mp4"}, "column video: --video cannot be used with --audio"),
        ({"size": "100"}, "column size: size 100"),
        ({"preset": "nowhere"}, "column preset: unknown preset 'nowhere'"),
        ({"crop": "1,2"}, "column crop: "),
        ({"output": "../x.mp4"}, "column output: output ../x.mp4 lies outside"),
        ({"output": "x.avi"}, "column output: output x.avi must end in .mp4"),
        ({"output": "same.mp4"}, ""),
        ({"output": "same.mp4"}, "column output: same.mp4 is made by row 16"),
        ({"keep-pauses": "yes"}, "column keep-pauses: this option is of dub"),
        ({"portrait": ""}, "there is no clip; give --video"),
        ({"frobnicate": "1"}, "column frobnicate: this option is of neither"),
        ({"device": "cpu"}, "column device: this option is of neither"),
    ]
    rows = [{**good, "output": f"{number}.mp4", **cells} for number, (cells, _) in enumerate(wrong)]
    write_table(things / "wrong.csv", things, rows)
    assert batch(things, tmp_path / "out", "wrong.csv") == 2
    lines = capsys.readouterr().err.strip().splitlines()
    for number, (_, message) in enumerate(wrong, 2):
        told = [line for line in lines if re.search(rf"row {number}[,:] ", line)]
        assert len(told) == bool(message) and message in "".join(told), (number, told)
    assert "19 mistakes; nothing was made" in lines[-1] and not (tmp_path / "out").exists()


def test_one_failure_stops_nothing(things, tmp_path, capsys):
    Image.new("RGB", (200, 200), "gray").save(things / "blank.png")
    rows = [{"portrait": name, "audio": "speech.wav"} for name in ("blank.png", "ann.png")]
    write_table(things / "one.csv", things, rows)
    assert batch(things, tmp_path, "one.csv") == 1
    failed, made = results(tmp_path)
    assert failed["outcome"] == "failed" and "no face" in failed["error"] and made["outcome"] == "done"
    assert "2 rows: 1 made, 0 were there already, 1 failed" in capsys.readouterr().err
    assert sorted(file.name for file in tmp_path.iterdir()) == ["ann_speech.mp4", "results.jsonl"]


def test_an_unforeseen_error_is_a_row_s_own(things, tmp_path, monkeypatch):
    write = VideoWriter.write

    def breaks(self, frames):
        if self.path.name == "d.mp4":
            raise RuntimeError("a fault of ours")
        write(self, frames)

    monkeypatch.setattr(VideoWriter, "write", breaks)
    assert batch(things, tmp_path) == 1
    assert [line["outcome"] for line in results(tmp_path)] == ["done", "done", "failed", "done"]


def test_ctrl_c_loses_the_row_under_way_only(things, done, tmp_path, monkeypatch, capsys):
    write = VideoWriter.write

    def interrupted(self, frames):
        write(self, frames)
        if self.path.name == "d.mp4":
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever another test's library has set
    try:
        with monkeypatch.context() as patch:
            patch.setattr(VideoWriter, "write", interrupted)
            assert batch(things, tmp_path) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert "4 rows: 2 made, 0 were there already, 0 failed, 2 left" in capsys.readouterr().err
    made = {file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if file.is_file()}
    assert made == {"results.jsonl", "more/a.mp4", "ann_speech.mp4"}
    assert batch(things, tmp_path) == 0 and "2 made, 2 were there" in capsys.readouterr().err
    for file in done.rglob("*.mp4"):
        assert (tmp_path / file.relative_to(done)).read_bytes() == file.read_bytes()


def test_what_a_killed_writer_left_is_removed(things, done):
    for name in (".d-0123abcd.mp4", ".v-side-by-side-89abcdef.mp4"):
        (done / name).write_bytes(b"half a video")
    (done / ".mine.mp4").write_bytes(b"somebody else's")
    assert batch(things, done) == 0
    assert [file.name for file in done.glob(".*")] == [".mine.mp4"]
    (done / ".mine.mp4").unlink()


def test_two_batches_do_not_share_a_folder(things, done, capsys):
    with FileLock(done / ".batch.lock"):
        assert batch(things, done) == 2
    assert "another batch is at work" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options, message",
    [
        (["--workers", "2"], "add --on ray"),
        (["--workers", "0"], "give 1 or more"),
        (["--on", "moon"], "give local, ray or ray://"),
    ],
)
def test_bad_options_end_with_one_line(things, tmp_path, capsys, options, message):
    assert batch(things, tmp_path, "jobs.csv", *options) == 2
    assert message in capsys.readouterr().err and list(tmp_path.iterdir()) == []


def test_json_lines_hold_the_same_rows(tmp_path):
    (tmp_path / "a.csv").write_text('portrait,text,yaw,paste_back\nann.png,"Hello, you",3,yes\n\n,,,\nbob.png,,,\n')
    (tmp_path / "b.csv").write_text("﻿portrait;text;yaw;paste-back\nann.png;Hello, you;3;yes\n\n\nbob.png;;;\n")
    (tmp_path / "c.jsonl").write_text(
        '{"portrait": "ann.png", "text": "Hello, you", "yaw": 3, "paste_back": true}\n\n\n{"portrait": "bob.png"}\n'
    )
    read = [read_table(tmp_path / name) for name in ("a.csv", "b.csv", "c.jsonl")]
    assert not any(problems for _, problems in read)
    yaw, flag = commands()["animate"].options["yaw"], commands()["animate"].options["paste-back"]
    for rows, _ in read:
        first, second = (row.values for row in rows)
        assert second == {"portrait": "bob.png"} and (first["portrait"], first["text"]) == ("ann.png", "Hello, you")
        assert parse_cell(yaw, first["yaw"]) == 3.0 and parse_cell(flag, first["paste-back"]) is True


@pytest.mark.parametrize(
    "name, text", [("a.csv", "portrait\n"), ("a.jsonl", ""), ("a.txt", "portrait\n"), ("a.csv", "")]
)
def test_a_table_without_rows_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError):
        read_table(tmp_path / name)


def test_broken_lines_are_told_with_their_number(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"portrait": "a.png"}\n{"portrait": \n[1]\n')
    assert [problem.row for problem in read_table(tmp_path / "a.jsonl")[1]] == [2, 3]
    (tmp_path / "a.csv").write_text('portrait,text\na.png,b,c\na.png,"open\n')
    assert [problem.row for problem in read_table(tmp_path / "a.csv")[1]] == [2, 3]


def test_every_option_of_both_commands_can_be_a_column(capsys):
    for name, command in commands().items():
        with pytest.raises(SystemExit):
            main([name, "--help"])
        usage = capsys.readouterr().out.partition("\n\n")[0]
        listed = {word.strip("[]") for word in usage.split()} - {"--json", "--device"}
        assert {word for word in listed if word.startswith("--")} <= {f"--{option}" for option in command.options}


def test_workers_fit_the_machines_they_are_placed_on():
    gpus = [{"CPU": 64.0}, *[{"CPU": 32.0, "GPU": 8.0}] * 2]
    assert default_workers(gpus) == 16 and default_workers([{"CPU": 4.0}] * 3) == 3
    assert resources_of_worker(16, gpus) == {"num_cpus": 4, "num_gpus": 1.0}
    assert resources_of_worker(32, gpus) == {"num_cpus": 2, "num_gpus": 0.5}
    assert resources_of_worker(2, [{"CPU": 4.0}] * 3) == {"num_cpus": 4}
    assert resources_of_worker(6, [{"CPU": 4.0}] * 3) == {"num_cpus": 2}
    with pytest.raises(InputError, match="13 workers do not fit 12 cores"):
        resources_of_worker(13, [{"CPU": 4.0}] * 3)

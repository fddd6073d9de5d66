"""The road from portrait and speech to frames: laws that hold for any weights."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from imtalker import CropBox, SamplingOptions, Timings, save_video
from imtalker.devices import DTYPES, resolve_device, resolve_precision
from imtalker.errors import InputError, NoFaceError
from imtalker.media.video import count_frames
from imtalker.pipeline import talking_head
from imtalker.pipeline.inputs import Portrait, describe_file
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from imtalker.renderer import Renderer
from tests.support.drawn_face import DrawnFace, draw_face
from tests.support.runs import BOX, FAST, all_frames, rendered_motion, same, speech
from tests.support.sample_media import decode_video, tone, write_wav


def test_portrait_is_found_cut_and_encoded(pipeline):
    found = pipeline.encode_source(draw_face(size=300))
    assert found.image.shape == (300, 300, 3) and 150 < found.box.side < 300
    assert found.features.motion.shape == (1, 32)
    with pytest.raises(NoFaceError):
        pipeline.encode_source(np.full((100, 100, 3), 99, np.uint8))
    assert pipeline.encode_source(np.full((90, 100, 3), 99, np.uint8), crop=None).box == CropBox(0, -5, 100)


@pytest.mark.parametrize("samples", [4000, 16_000, 32_001])
def test_speech_decides_the_length(pipeline, portrait, samples):
    animation = pipeline.animate_from_audio(portrait, speech(3)[:samples], options=FAST)
    chunks = list(animation)
    wanted = -(-samples // 640)
    assert animation.total == wanted == sum(len(chunk.frames) for chunk in chunks)
    assert [chunk.start for chunk in chunks] == list(np.cumsum([0] + [len(c.frames) for c in chunks[:-1]]))
    assert all(chunk.total == wanted and chunk.fps == 25 for chunk in chunks)
    assert chunks[0].frames.dtype == np.uint8 and chunks[0].frames.shape[1:] == (128, 128, 3)


def test_same_seed_same_frames(pipeline, portrait):
    runs = [all_frames(pipeline.animate_from_audio(portrait, speech(), options=FAST)) for _ in range(2)]
    assert same(*runs)


def test_other_seed_other_motion(pipeline, portrait):
    motions = []
    for seed in (1, 2):
        animation = pipeline.animate_from_audio(portrait, speech(1), options=replace(FAST, seed=seed))
        motions.append(rendered_motion(animation))
    assert not torch.equal(*motions)


def test_streamed_frames_equal_frames_rendered_at_once(pipeline, portrait):
    animation = pipeline.animate_from_audio(portrait, speech(), options=FAST)
    streamed = all_frames(animation)
    again = all_frames(pipeline.render_motion(portrait, animation.motion))
    windows = list(pipeline.motion_from_audio(portrait, speech(), options=FAST))
    assert same(streamed, again)
    assert torch.allclose(torch.cat(windows, dim=1)[0], animation.motion.motion, atol=1e-5)
    whole = pipeline.models.renderer.render(animation.motion.motion, portrait.features, portrait.size)
    reference = whole.mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    assert same(reference, streamed)


def test_batch_size_does_not_matter(pipeline, portrait):
    motion = torch.randn(7, 32, generator=torch.Generator().manual_seed(0))
    frames = all_frames(pipeline.render_motion(portrait, motion))
    single = TalkingHeadPipeline(pipeline.models, batch_size=1)
    chunks = list(single.render_motion(portrait, motion[None]))
    assert [len(chunk.frames) for chunk in chunks] == [1] * 7
    assert same(np.concatenate([c.frames for c in chunks]), frames)


def test_nothing_is_computed_before_the_first_chunk(pipeline, portrait):
    animation = pipeline.animate_from_audio(portrait, speech(10), options=FAST)
    assert animation.timings.frames == 0 and not animation.windows
    count = sum(len(next(animation).frames) for _ in range(2))
    assert animation.timings.frames == count < 50
    assert animation.motion.motion.shape[0] == 50  # one window so far, not the clip
    animation.close()
    with pytest.raises(StopIteration):
        next(animation)


@pytest.mark.parametrize(
    "wrong",
    [
        {"audio": np.zeros(16_000, np.float32)},
        {"audio": "nowhere.wav"},
        {"options": SamplingOptions(num_steps=0)},
        {"options": SamplingOptions(num_steps=3, solver="heun")},
        {"head_from": "nowhere.mp4"},
    ],
)
def test_errors_come_at_the_call(pipeline, portrait, wrong):
    with pytest.raises(InputError):
        pipeline.animate_from_audio(portrait, **({"audio": speech(1)} | wrong))


def test_video_carries_the_recipe_but_no_folder_names(pipeline, portrait, tmp_path):
    wav = write_wav(tmp_path / "speech.wav", tone(1))
    animation = pipeline.animate_from_audio(portrait, wav, options=FAST)
    assert animation.recipe["speech"] == describe_file(wav) and str(tmp_path) not in json.dumps(animation.recipe)
    _, facts = decode_video(save_video(animation, tmp_path / "v.mp4"))
    assert json.dumps(animation.recipe["sampling"], separators=(",", ":")) in facts["metadata"]["comment"]
    assert facts["video"] == pytest.approx(1.0) and facts["audio"] == pytest.approx(1.0, abs=0.01)
    assert count_frames(tmp_path / "v.mp4") == 25


def test_timings_are_exclusive_and_complete(pipeline, tmp_path):
    timings = Timings()
    portrait = pipeline.encode_source(draw_face(), timings=timings)
    animation = pipeline.animate_from_audio(portrait, speech(1), options=FAST, timings=timings)
    save_video(animation, tmp_path / "v.mp4")
    facts = timings.as_dict()
    stages = {"crop", "source_encoding", "audio_encoding", "motion_generation", "rendering", "encoding"}
    assert set(facts["seconds"]) == stages and facts["frames"] == 25
    assert 0.5 * timings.total < sum(facts["seconds"].values()) <= timings.total
    assert 0 < facts["first_frame_seconds"] < facts["total_seconds"]
    json.dumps(facts)


def test_several_runs_at_once_do_not_mix(pipeline, portrait):
    other = pipeline.encode_source(draw_face(DrawnFace(skin=(90, 60, 40))), crop=BOX)

    def run(which: Portrait) -> np.ndarray:
        return all_frames(pipeline.animate_from_audio(which, speech(1), options=FAST))

    alone = [run(portrait), run(other)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(run, [portrait, other]))
    assert all(same(a, b) for a, b in zip(alone, together, strict=True))


def test_devices():
    assert resolve_device("auto").type in ("cpu", "cuda", "mps")
    assert DTYPES[resolve_precision("auto", torch.device("cpu"))] is torch.float32
    assert DTYPES[resolve_precision("bf16", torch.device("cpu"))] is torch.bfloat16
    for wrong in ("tpu", "cuda:99", "nonsense"):
        with pytest.raises(InputError):
            resolve_device(wrong)
    with pytest.raises(InputError):
        resolve_precision("int8", torch.device("cpu"))


def test_networks_are_made_fast_before_they_go_to_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fusing computes with constants of its own, which are on the CPU; this machine may have no other device."""
    fuse, seen = talking_head.fuse, []

    def watched(renderer: Renderer) -> Renderer:
        seen.extend(p.device.type for p in renderer.parameters())
        return fuse(renderer)

    monkeypatch.setattr(talking_head, "fuse", watched)
    models = talking_head.load_pipeline("tiny", torch.device("meta"), "float32").models
    networks = models.renderer, models.generator, models.audio_encoder
    assert set(seen) == {"cpu"}
    assert {p.device.type for network in networks for p in network.parameters()} == {"meta"}

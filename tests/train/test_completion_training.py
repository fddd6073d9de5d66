"""Training of the completion: exact twins as data, phases, resumed equals uninterrupted, weights come out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from imtalker.cli import run_command
from imtalker.dubbing.completion.completion_engine import CompletionEngine
from imtalker.dubbing.completion.mouth_patch import hidden_part
from imtalker.errors import InputError
from imtalker.train.completion.clip_mouths import clip_mouths
from imtalker.train.completion.mouths import Mouths
from imtalker.train.completion.objective import LipReader, mouth_squares
from imtalker.train.completion.prepare import list_clips, main
from imtalker.train.completion.puppet_mouths import puppet_mouths
from imtalker.train.completion.sampler import CompletionSampler, choose_pair, collate, list_mouths
from imtalker.train.completion.training import WEIGHTS_NAME, CompletionTrainingConfig, build_loop, train_completion
from imtalker.train.loop import LoopConfig
from imtalker.train.puppet.asset import PuppetAsset
from imtalker.train.puppet.motion_space import MotionSpace
from tests.support.completion import SMALL
from tests.support.dubbing import talking_clip
from tests.support.puppet_person import save_drawn_people
from tests.support.resuming import assert_resumed_equals_uninterrupted

SIDE, POSES = SMALL.patch_size, 2


def drawn_mouths(path: Path) -> Mouths:
    asset, rng = PuppetAsset.load(path), np.random.default_rng(0)
    return puppet_mouths(asset, MotionSpace.load(), rng, SIDE, poses=POSES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Mouths of four drawn people, two of them for validation."""
    root = tmp_path_factory.mktemp("mouths")
    (root / "puppets").mkdir()
    save_drawn_people(root / "puppets")
    (root / "mouths").mkdir()
    for path in sorted((root / "puppets").glob("*.npz")):
        drawn_mouths(path).save(root / "mouths" / path.name)
    return root


def config(folder: Path, steps: int, autoencoder_steps: int = 0, adversarial_from: int = 10**9):
    loop = LoopConfig(steps=steps, learning_rate=1e-2, warmup_steps=2, log_every=steps, save_every=10**6,
                      validate_every=10**6, ema_decay=0.5)  # fmt: skip
    return CompletionTrainingConfig((str(folder / "mouths"),), SMALL, 4, autoencoder_steps, adversarial_from, loop=loop)


def test_twins_of_a_puppet_differ_in_the_mouth_only(folder: Path) -> None:
    path = list_mouths([folder / "mouths"], "train")[0]
    mouths = Mouths.load(path)
    assert len(np.unique(mouths.group)) == POSES
    hidden = hidden_part(mouths.turn[0], SIDE)
    first = mouths.patches[mouths.group == 0].astype(float)
    apart = np.abs(first - first[0])[1:].max(0).mean(-1)
    assert apart[hidden].mean() > 3 * apart[~hidden].mean()
    turns = mouths.turn[mouths.group == 0]
    assert np.abs(turns - turns[0]).max() < 0.01  # registration does not follow the mouth
    assert mouths.opening[0] < 0.1 and mouths.opening[1] > 0.4  # at rest and wide open
    np.testing.assert_array_equal(mouths.patches, drawn_mouths(folder / "puppets" / path.name).patches)


def test_references_are_other_moments_at_rest_and_open(folder: Path) -> None:
    mouths = Mouths.load(list_mouths([folder / "mouths"], "train")[0])
    rng = np.random.default_rng(0)
    for target in range(len(mouths)):
        rest, wide = choose_pair(rng, mouths, target)
        assert mouths.group[rest] != mouths.group[target] != mouths.group[wide]
        assert mouths.opening[rest] < 0.35 < mouths.opening[wide]


def test_the_same_seed_gives_the_same_batch(folder: Path) -> None:
    sampler = CompletionSampler([folder / "mouths"])
    one, two, other = (collate(sampler.batch(np.random.default_rng(seed), 3)) for seed in (3, 3, 4))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["target"], other["target"])
    seen = ~one["hidden"]
    difference = (one["source"].float() - one["target"].float()).abs().mean(-1)
    assert difference[seen].mean() < difference[one["hidden"]].mean()


def test_the_drawing_improves_and_the_engine_takes_the_weights(folder: Path, tmp_path: Path) -> None:
    first = build_loop(config(folder, 1, autoencoder_steps=12), tmp_path / "first", cpu=True).run()
    last = train_completion(config(folder, 24, autoencoder_steps=12), tmp_path / "run", cpu=True)
    for name in ("autoencoder", "drawn"):
        assert last[f"validation/psnr_{name}"] > first[f"validation/psnr_{name}"] + 0.5
    assert (tmp_path / "run" / "sheet_000024.png").is_file()
    assert CompletionEngine.load(tmp_path / "run" / WEIGHTS_NAME) is not None
    begun = train_completion(config(folder, 1), tmp_path / "more", start_from=tmp_path / "run" / WEIGHTS_NAME, cpu=True)
    assert begun["validation/psnr_drawn"] > first["validation/psnr_drawn"]


def test_resumed_equals_uninterrupted(folder: Path, tmp_path: Path) -> None:
    stages = config(folder, 4, autoencoder_steps=1, adversarial_from=3)
    assert_resumed_equals_uninterrupted(
        lambda out: build_loop(stages, out, cpu=True), tmp_path / "a", tmp_path / "b", 2, "completion"
    )


def test_autoencoder_and_reader_learn_first_and_are_frozen_then(folder: Path, tmp_path: Path) -> None:
    loop = build_loop(config(folder, 4, autoencoder_steps=2), tmp_path, cpu=True)

    def changed(until: int) -> set[str]:
        before = {name: value.clone() for name, value in loop.raw["completion"].state_dict().items()}
        loop.run(until=until)
        after = loop.raw["completion"].state_dict()
        return {".".join(n.split(".")[:2]) for n, value in after.items() if not torch.equal(value, before[n])}

    assert {name.removeprefix("network.") for name in changed(2)} == {"autoencoder", "reader.layers", "reader.out"}
    assert {name.removeprefix("network.") for name in changed(4)} == {"unet", "tokens"}


def test_the_discriminator_sees_the_mouth() -> None:
    pictures, lips = torch.zeros(2, 3, 32, 32), torch.zeros(2, 32, 32, dtype=torch.bool)
    lips[0, 8:14, 14:22], lips[1, 28:32, 0:4] = True, True
    pictures[0, :, 8:14, 14:22] = pictures[1, :, 28:32, 0:4] = 1
    squares = mouth_squares(pictures, lips, 16)
    assert squares.shape == (2, 3, 16, 16)
    torch.testing.assert_close(squares.sum((1, 2, 3)), pictures.sum((1, 2, 3)), rtol=0.05, atol=0)
    assert LipReader()(pictures).shape == (2, 49, 3)


def test_a_clip_is_followed_and_its_twin_joins_its_moments(tmp_path: Path) -> None:
    path = talking_clip(tmp_path / "a.mp4", 4)
    (tmp_path / "a-other.mp4").write_bytes(path.read_bytes())
    mouths = clip_mouths(path, SIDE, 10.0)
    assert sorted(mouths.group.tolist()) == [0, 0, 1, 1, 2, 2, 3, 3]
    np.testing.assert_array_equal(mouths.patches[:4], mouths.patches[4:])
    assert (mouths.landmarks > -SIDE / 2).all() and (mouths.landmarks < 1.5 * SIDE).all()
    assert list_clips(tmp_path, []) == [path] and list_clips(tmp_path, ["a"]) == []


def test_what_is_made_is_kept_and_what_cannot_be_is_left_out(folder: Path, tmp_path: Path, monkeypatch) -> None:
    made: list[Path] = []

    def make(space: MotionSpace, side: int, path: Path) -> Mouths:
        made.append(path)
        return Mouths.load(folder / "mouths" / path.name)

    monkeypatch.setattr("imtalker.train.completion.prepare.from_puppet", make)
    monkeypatch.setattr("imtalker.train.completion.prepare.configure_logging", lambda: None)
    command = ["--puppets", str(folder / "puppets"), "--out", str(tmp_path / "out")]
    main(command)
    one = sorted((tmp_path / "out").glob("*.npz"))[0]
    one.unlink()
    main(command)
    assert len(made) == 5 and made[-1].stem == one.stem
    one.write_bytes(b"nothing")
    with pytest.raises(InputError, match="no mouth patches"):
        Mouths.load(one)
    with pytest.raises(InputError, match="nothing was made"):
        main(["--out", str(tmp_path / "empty")])


def test_command(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[CompletionTrainingConfig] = []
    monkeypatch.setattr("imtalker.train.completion.training.train_completion", lambda config, *_: given.append(config))
    command = ["train-completion", "--mouths", "a", "b", "--out", str(tmp_path), "--steps", "9", "--batch", "3"]
    assert run_command(command) == 0
    assert given[0] == replace(
        CompletionTrainingConfig(("a", "b"), batch=3), loop=replace(CompletionTrainingConfig().loop, steps=9)
    )
    monkeypatch.undo()
    with pytest.raises(InputError, match="nothing to train on"):
        run_command(["train-completion", "--out", str(tmp_path / "none")])
    with pytest.raises(InputError, match="no train mouths"):
        run_command(["train-completion", "--mouths", str(tmp_path), "--out", str(tmp_path / "none")])
    assert not (tmp_path / "none").exists()

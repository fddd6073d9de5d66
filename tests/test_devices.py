"""Which number type a card computes in, and what is done where a card refuses. No accelerator is needed."""

from types import SimpleNamespace

import pytest
import torch

from imtalker.devices import DTYPES, resolve_precision
from imtalker.errors import InputError, WeightsError
from imtalker.pipeline.loading import Attempt, load_working_pipeline, next_attempt, render_once

CARDS = {"P100": (6, 0), "V100": (7, 0), "T4": (7, 5), "RTX 2080": (7, 5), "A100": (8, 0), "L4": (8, 9), "H100": (9, 0)}
OUT_OF_MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 512 MiB")
NO_KERNEL = RuntimeError("CUDA error: no kernel image is available for execution on the device\nmore lines")


@pytest.fixture
def card(monkeypatch):
    """Pretend to have a card; bfloat16 is emulated wherever it is missing, as real ones answer."""

    def pretend(capability: tuple[int, int]) -> torch.device:
        properties = SimpleNamespace(major=capability[0], minor=capability[1], name="card")
        monkeypatch.setattr("torch.cuda.is_available", lambda: True)
        monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
        monkeypatch.setattr("torch.cuda.current_device", lambda: 0)
        monkeypatch.setattr("torch.cuda.get_device_properties", lambda device=None: properties)
        monkeypatch.setattr("torch.version.cuda", "12.8")
        monkeypatch.setattr("torch.cuda._check_bf16_tensor_supported", lambda device: True)
        return torch.device("cuda")

    return pretend


@pytest.mark.parametrize("name", CARDS)
def test_cards_compute_in_what_they_have(card, name):
    device = card(CARDS[name])
    assert torch.cuda.is_bf16_supported()  # emulated, on the old ones
    wanted = {6: torch.float32, 7: torch.float16}.get(CARDS[name][0], torch.bfloat16)
    assert DTYPES[resolve_precision("auto", device)] == wanted
    assert DTYPES[resolve_precision("fp32", device)] == torch.float32


def test_other_devices_keep_single_precision():
    for device in ("cpu", "mps"):
        assert DTYPES[resolve_precision("auto", torch.device(device))] == torch.float32


@pytest.mark.parametrize(("avx512", "amx"), [(False, False), (True, False), (False, True)])
def test_cpus_round_only_with_instructions_for_it(monkeypatch, avx512, amx):
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: amx)
    cpu = torch.device("cpu")
    assert resolve_precision("auto", cpu) == ("mixed" if avx512 or amx else "float32")
    assert resolve_precision("float32", cpu) == "float32"  # the way to turn it off
    assert resolve_precision("mixed", cpu) == "mixed"  # a recipe from elsewhere
    assert (
        resolve_precision("auto", torch.device("mps")) == resolve_precision("mixed", torch.device("mps")) == "float32"
    )


def test_a_cpu_that_cannot_be_asked_does_not_round(monkeypatch):
    monkeypatch.delattr("torch.cpu._is_avx512_bf16_supported")
    monkeypatch.delattr("torch.cpu._is_amx_tile_supported")
    assert resolve_precision("auto", torch.device("cpu")) == "float32"


def failing(fails):
    """A loader that raises what ``fails`` says about an attempt, and remembers what it was asked for."""
    asked: list[Attempt] = []

    def load(preset, device, dtype, progress=None, batch_size=None, size=None):
        asked.append(Attempt(preset, device, dtype, batch_size))
        error = fails(asked[-1])
        if error is not None:
            raise error
        return asked[-1]

    return load, asked


@pytest.mark.parametrize(
    ("fails", "answer"),
    [
        (lambda a: None, Attempt("base", "cuda", "float16")),
        (lambda a: OUT_OF_MEMORY if a.batch_size != 1 else None, Attempt("base", "cuda", "float16", 1)),
        (lambda a: OUT_OF_MEMORY if a.preset == "base" else None, Attempt("tiny", "cuda", "float16")),
        (lambda a: OUT_OF_MEMORY if a.device == "cuda" else None, Attempt("tiny", "cpu", "float32")),
        (lambda a: RuntimeError("out of memory") if a.device == "cuda" else None, Attempt("tiny", "cpu", "float32")),
        (lambda a: NO_KERNEL if a.dtype == "float16" else None, Attempt("base", "cuda", "float32")),
        (lambda a: NO_KERNEL if a.device == "cuda" else None, Attempt("tiny", "cpu", "float32")),
        (lambda a: WeightsError("offline") if a.preset == "base" else None, Attempt("tiny", "cuda", "float16")),
        (lambda a: WeightsError("x") if a.preset == "base" else NO_KERNEL if a.device != "cpu" else None,
         Attempt("tiny", "cpu", "float32")),
    ],
)  # fmt: skip
def test_the_next_best_answers_with_a_note(card, caplog, fails, answer):
    card((7, 5))
    load, asked = failing(fails)
    loaded = load_working_pipeline("base", load=load, try_out=lambda pipeline: None)
    assert loaded.pipeline == loaded.attempt == answer and len(asked) == len(set(asked))
    assert len(loaded.remarks) == len(asked) - 1 == len(caplog.records)
    assert all(remark.code == "fallback" for remark in loaded.remarks)
    if loaded.remarks:
        assert str(answer) in str(loaded.remarks[-1])


def test_a_card_that_fails_only_when_it_computes(card):
    card((7, 5))
    load, asked = failing(lambda attempt: None)

    def try_out(pipeline):
        if pipeline.device == "cuda":
            raise NO_KERNEL

    loaded = load_working_pipeline("tiny", load=load, try_out=try_out)
    assert loaded.attempt == Attempt("tiny", "cpu", "float32") and len(asked) == 3


def test_the_end_of_the_ladder_is_an_error():
    load, asked = failing(lambda attempt: WeightsError("no file"))
    with pytest.raises(WeightsError, match="no file"):
        load_working_pipeline("tiny", "cpu", load=load)
    load, asked = failing(lambda attempt: RuntimeError("broken"))
    with pytest.raises(WeightsError, match=r"tiny on cpu.*broken"):
        load_working_pipeline("tiny", "cpu", load=load)
    assert len(asked) == 1
    with pytest.raises(InputError):
        load_working_pipeline("tiny", "teapot")


def test_the_models_asked_for_can_be_kept(card):
    card((8, 0))
    load, asked = failing(lambda a: OUT_OF_MEMORY if a.device == "cuda" else None)
    assert load_working_pipeline("base", keep_preset=True, load=load, try_out=print).attempt.preset == "base"
    assert [(a.device, a.batch_size) for a in asked] == [("cuda", None), ("cuda", 1), ("cpu", None)]
    load, _ = failing(lambda a: WeightsError("damaged"))
    with pytest.raises(WeightsError, match="damaged"):
        load_working_pipeline("base", keep_preset=True, load=load)


@pytest.mark.parametrize("error", [OUT_OF_MEMORY, NO_KERNEL, WeightsError("x")])
def test_every_ladder_ends(error):
    for start in (
        Attempt("base", "cuda", "bfloat16"),
        Attempt("tiny", "mps", "float32"),
        Attempt("base", "cpu", "float32"),
    ):
        steps, attempt = 0, start
        while attempt is not None:
            attempt, steps = next_attempt(attempt, error), steps + 1
            assert steps < 8


def test_numbers_that_are_not_finite_are_found(monkeypatch):
    class Renderer:
        config = SimpleNamespace(input_size=32)

        def render(self, motion, features, size):
            return torch.full((len(motion), 3, 4, 4), torch.nan)

    pipeline = SimpleNamespace(
        device=torch.device("meta"), dtype=torch.float32, batch_size=2, size=32,
        models=SimpleNamespace(renderer=Renderer()),
        encode_source=lambda picture, crop: SimpleNamespace(features=None),
    )  # fmt: skip
    with pytest.raises(RuntimeError):
        render_once(pipeline)  # pyright: ignore[reportArgumentType]


def test_the_default_loads_and_says_nothing():
    loaded = load_working_pipeline("tiny", "cpu")
    assert loaded.remarks == () and loaded.pipeline.preset.name == "tiny"

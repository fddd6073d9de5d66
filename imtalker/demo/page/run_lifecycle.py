"""What the audio-driven and the video-driven tab share: start, watch, stop, use the motion again."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr

from imtalker.demo.errors import explained
from imtalker.demo.page.result_panel import ResultPanel, address_of
from imtalker.demo.page.snippets import Call
from imtalker.demo.page.tables import status
from imtalker.demo.page.widgets import CHECKED, PRIVATE, QUICK, OutputPanel, RunRow
from imtalker.demo.runs.cancellation import Stops
from imtalker.demo.runs.jobs import ClipJob
from imtalker.demo.runs.segments import can_stream
from imtalker.demo.service import Studio
from imtalker.demo.settings import GPU_QUEUE
from imtalker.errors import InputError

Data = dict[Any, Any]
WAITING = "Waiting for a free place…"
FAILED = "Nothing was made; the message says why."


class ClipTab:
    """Behaviour of a tab whose run gives one video.

    Args:
        row, result, output: its widgets.
        needed: components that must not be empty, with what to say if they are.
        inputs: all components ``arguments`` reads.
        endpoint: name for the snippets.
        make_job: of the studio.
        arguments: values of the components -> arguments of the endpoint.
        sound: name of the argument that is heard.
        samples: buttons that fill components and start.
    """

    def __init__(
        self,
        studio: Studio,
        stops: Stops,
        row: RunRow,
        result: ResultPanel,
        output: OutputPanel,
        needed: dict[Any, str],
        inputs: list[Any],
        endpoint: str,
        make_job: Callable[..., ClipJob],
        arguments: Callable[[Data], dict[str, Any]],
        sound: str,
        samples: Sequence[tuple[gr.Button, dict[Any, str]]],
    ):
        self._studio, self._stops = studio, stops
        self._row, self._result, self._output = row, result, output
        self._needed = needed
        self._endpoint, self._make_job, self._arguments, self._sound = endpoint, make_job, arguments, sound
        # all of them rest during a run: Stop would reach only the latest of several
        self._starters = [row.run, result.apply, *(button for button, _ in samples)]
        self._chain(row.run.click, self._begin, set(needed), self._run, {row.name, *inputs})
        again = {result.next_portrait, result.last}
        outputs = {output.paste_back, output.label}
        self._chain(result.apply.click, self._begin_again, again, self._run_again, {row.name, *again, *outputs})
        row.stop.click(self._stop, row.name, [row.status, row.stop], **QUICK)
        for button, values in samples:
            self._chain(
                button.click,
                lambda values=values: {**values, **self._opened()},
                None,
                self._run,
                {row.name, *inputs},
                filled=list(values),
            )

    def _chain(
        self,
        trigger: Callable,
        begin: Callable,
        needs: set | None,
        run: Callable,
        inputs: set,
        filled: Sequence[Any] = (),
    ) -> None:
        row, result = self._row, self._result
        buttons = [row.stop, *self._starters]
        started = trigger(begin, needs, [*filled, row.name, row.status, *buttons, *result.outputs], **CHECKED)
        started.success(None, js=row.show, **PRIVATE)
        running = started.success(
            run,
            inputs,
            [row.status, *result.outputs],
            concurrency_id=GPU_QUEUE,
            concurrency_limit=1,
            show_progress="minimal",
            show_progress_on=row.status,
            **PRIVATE,
        )
        running.failure(self._failed, row.name, [row.status, *buttons], **QUICK)
        shown = running.success(None, js=result.hand_over, **PRIVATE)
        shown.then(lambda: gr.Column(visible=False), None, result.live_box, **QUICK)
        running.success(self._end, row.name, buttons, **QUICK)

    # ---- handlers ----

    def _begin(self, data: Data) -> Data:
        with explained():
            for component, message in self._needed.items():
                if not data[component]:
                    raise InputError(message)
        return self._opened()

    def _begin_again(self, data: Data) -> Data:
        with explained():
            if not data[self._result.next_portrait]:
                raise InputError("there is no other portrait; add a picture or choose a sample")
        return self._opened()

    def _opened(self) -> Data:
        row = self._row
        return {
            row.name: self._stops.open(),
            row.status: status(WAITING, 0.0),
            row.stop: gr.Button(visible=True, interactive=True),
            **{button: gr.Button(interactive=False) for button in self._starters},
            **self._result.clear(),
        }

    def _run(self, data: Data, request: gr.Request) -> Iterator[Data]:
        arguments = self._arguments(data)
        call = Call(self._endpoint, arguments)
        sound = arguments[self._sound] if arguments.get("keep_sound", True) else None
        yield from self._watch(self._make_job, call, sound, data[self._row.name], request)

    def _run_again(self, data: Data, request: gr.Request) -> Iterator[Data]:
        last = data[self._result.last]
        arguments = {
            "portrait": data[self._result.next_portrait],
            "motion": last.get("motion"),
            "sound": last.get("sound"),
            "paste_back": data[self._output.paste_back],
            "label": data[self._output.label],
        }
        call = Call("apply_motion", arguments)
        yield from self._watch(self._studio.motion_job, call, last.get("sound"), data[self._row.name], request)

    def _watch(
        self,
        make_job: Callable[..., ClipJob],
        call: Call,
        sound: str | None,
        name: str,
        request: gr.Request,
    ) -> Iterator[Data]:
        words = "Reading the files" if self._studio.host.is_ready else "Loading the models, once"
        yield {self._row.status: status(words + "…", 0.0)}
        try:
            with explained():
                events = self._studio.run(
                    make_job,
                    dict(call.arguments),
                    should_stop=lambda: self._stops.is_requested(name),
                    stream=can_stream(),
                    beside=True,
                    use_kept=True,
                )
                yield from self._result.show(events, self._row, call, sound, address_of(request))
        finally:
            self._stops.close(name)

    def _stop(self, name: str | None) -> tuple[str, Any]:
        self._stops.request(name)
        return status("Stopping; what is made so far is being finished…", 1.0), gr.Button(interactive=False)

    def _failed(self, name: str | None) -> tuple[Any, ...]:
        return status(FAILED, tone="stopped"), *self._end(name)

    def _end(self, name: str | None) -> tuple[Any, ...]:
        self._stops.close(name)
        return gr.Button(visible=False), *(gr.Button(interactive=True) for _ in self._starters)

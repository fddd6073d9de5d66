"""Served by others: behind a reverse proxy on a sub-path, and with a password."""

import httpx
import pytest
from gradio_client import Client, handle_file

from imtalker.media.video import probe_video
from tests.support.demo_setup import Inputs, served
from tests.support.proxy import proxied


def test_everything_works_on_a_sub_path(tmp_path, monkeypatch):
    inputs = Inputs.write(tmp_path / "inputs")
    monkeypatch.setenv("GRADIO_ROOT_PATH", "/talk")
    with served(tmp_path) as inside, proxied(inside) as outside:
        assert "/talk" in httpx.get(outside).text
        client = Client(outside, verbose=False, download_files=str(tmp_path / "down"), httpx_kwargs={"timeout": 120})
        video, _, report = client.predict(
            handle_file(str(inputs.portrait)), handle_file(str(inputs.speech)), steps=2, api_name="/animate_audio"
        )
        assert probe_video(video).has_audio and report["frames"] == 25
        assert httpx.get(outside + "healthz").json()["ready"]


def test_a_password_keeps_strangers_out_but_not_the_watchman(tmp_path):
    with served(tmp_path, auth=("jane", "secret")) as url:
        assert httpx.get(url + "healthz").status_code in (200, 503)
        assert httpx.get(url + "config").status_code == 401
        with pytest.raises(Exception, match=r"401|[Ll]ogin|auth"):
            Client(url, verbose=False)
        client = Client(url, auth=("jane", "secret"), verbose=False, httpx_kwargs={"timeout": 120})
        assert client.predict(api_name="/info")["preset"] == "tiny"

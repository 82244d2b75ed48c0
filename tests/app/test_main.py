"""Starting the server: on this machine alone, and a taken port told in one line."""

import asyncio
import http.client
import os
import socket
import subprocess
import sys

import pytest
from streamlit import config
from streamlit.starlette import App

from helpers import cli
from helpers.app import jobs, main
from helpers.images import readers

from .support import until


@pytest.fixture
def served(monkeypatch):
    """What the server is asked to do; none is started."""
    calls = []
    monkeypatch.setattr(App, "run", lambda app, config: calls.append((app, config)))
    return calls


@pytest.fixture
def bound():
    """A port, and the socket that keeps it."""
    with socket.socket() as probe:
        probe.bind((main.ADDRESS, 0))
        yield probe.getsockname()[1], probe


def test_it_listens_on_this_machine_alone(served, bound, monkeypatch):
    monkeypatch.delenv(jobs.WAITING, raising=False)
    port, probe = bound
    probe.close()
    assert cli.main(["app", "--port", str(port)]) == 0
    assert jobs.WAITING in os.environ
    app, options = served[0]
    assert app.script_path == main.PAGES
    assert main.PAGES.exists()
    assert (options["server.address"], options["server.port"]) == ("127.0.0.1", port)
    assert options["browser.gatherUsageStats"] is False
    assert options["server.headless"] is True
    assert options["server.maxUploadSize"] == readers.MEGABYTES
    main.serve(port, browser=True)
    assert served[1][1]["server.headless"] is False
    assert set(options) <= set(config.get_config_options())


def test_a_port_that_cannot_be_had_is_told(served, bound):
    taken, probe = bound
    probe.listen()
    impossible = "must be from 1 to 65535"
    cases = {0: impossible, 70_000: impossible, taken: "cannot be listened on"}
    for port, message in cases.items():
        with pytest.raises(main.NoPort, match=f"port {port}: {message}"):
            main.serve(port)
    assert not served


@pytest.mark.parametrize("module", ["helpers.app.main", "helpers.app.pages.train"])
def test_the_first_page_does_not_wait_for_pytorch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# ------------------------------------------------------------------------- who is answered


def answer(kind="http", method="GET", **headers):
    """What the guard lets a request for the app do: the messages that are sent back."""
    sent = []

    async def app(scope, receive, send):
        start = {"type": "http.response.start", "status": 200, "headers": []}
        accept = {"type": "websocket.accept"}
        await send(start if scope["type"] == "http" else accept)

    async def send(message):
        sent.append(message)

    given = {"host": "localhost:8501", **headers}
    pairs = [(name.encode(), value.encode()) for name, value in given.items()]
    scope = {"type": kind, "method": method, "headers": pairs}
    asyncio.run(main.Guard(app, 8501)(scope, None, send))
    return sent


OWN = [{}, {"origin": "http://localhost:8501"}, {"host": "127.0.0.1:8501"}]
FOREIGN = [
    {"host": "evil.example:8501"},  # its name bound anew to 127.0.0.1
    {"host": "evil.example:8501", "origin": "http://evil.example:8501"},
    {"host": "localhost:8501.evil.example"},
    {"host": "localhost"},
    {"host": ""},
    {"origin": "http://evil.example"},
    {"origin": "http://localhost:9999"},  # another server of this machine
    {"origin": "http://127.0.0.1:8501"},  # another name than that of the page
    {"origin": "https://localhost:8501"},
    {"origin": "null"},
    {"origin": ""},
]


@pytest.mark.parametrize("headers", OWN)
def test_the_apps_own_page_is_answered_and_cannot_be_framed(headers):
    (found,) = answer(**headers)
    assert found["status"] == 200
    assert (b"x-frame-options", b"DENY") in found["headers"]
    assert (b"content-security-policy", main.POLICY) in found["headers"]
    assert main.POLICY.startswith(b"frame-ancestors 'none'; img-src 'self'")
    assert answer("websocket", **headers) == [{"type": "websocket.accept"}]


@pytest.mark.parametrize("headers", FOREIGN)
def test_other_pages_are_not_answered(headers):
    for method in ("GET", "POST"):
        start, body = answer(method=method, **headers)
        assert start["status"] == 403
        assert (b"x-frame-options", b"DENY") in start["headers"]
        assert body["body"] == b"this app answers its own page alone"
    assert answer("websocket", **headers) == [{"type": "websocket.close", "code": 1008}]


def test_a_server_that_is_really_started_refuses_another_host(bound):
    """Streamlit's own routes, its socket among them, lie behind the guard."""
    port, probe = bound
    probe.close()
    command = [sys.executable, "-m", "helpers", "app", "--port", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **quiet) as server:
        try:
            until(lambda: status(port, "/_stcore/health", f"localhost:{port}") == 200)
            for path in ("/", "/_stcore/health", "/_stcore/host-config", "/_stcore/stream"):
                assert status(port, path, f"evil.example:{port}") == 403
        finally:
            server.terminate()


def status(port, path, host):
    """The status of an answer; none where nobody listens yet."""
    connection = http.client.HTTPConnection(main.ADDRESS, port, timeout=60)
    try:
        connection.request("GET", path, headers={"Host": host})
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()

"""Serves the app to a browser on this machine alone: `python -m helpers.app.main`, `make app`.

Nothing of the project stands before the first page, so that it is there at once; what draws
pictures loads beside it.
"""

import contextlib
import ctypes
import importlib
import os
import socket
import sys
import threading
from pathlib import Path

PORT = 8501
PAGES = Path(__file__).with_name("pages") / "navigation.py"
ADDRESS = "127.0.0.1"
M_ARENA_MAX = -8  # as malloc.h has it
UPLOADS = 20  # MB, as `helpers.images.readers` has it
POLICY = b"frame-ancestors 'none'; img-src 'self' data: blob:; media-src 'self' data: blob:"
UNFRAMED = ((b"x-frame-options", b"DENY"), (b"content-security-policy", POLICY))


class NoApp(OSError):
    """What the app is made with is not installed."""


class NoPort(OSError):
    """The port is taken; the message names another way."""


def serve(port: int = PORT, browser: bool = False) -> None:
    """Serve the app until it is interrupted, and open it in a browser if asked; raises NoPort."""
    check_free(port)
    try:  # a second, which a mistaken port need not wait for
        from starlette.middleware import Middleware
        from streamlit.starlette import App
    except ImportError as missing:
        raise NoApp(f"the app needs {missing.name}: pip install -e '.[app]'") from None

    share_memory()
    os.environ["FIVE_GAUSSIANS_WAITING"] = "1"  # as helpers.app.jobs has it
    pictures = ("helpers.app.render",)  # with PyTorch, which takes seconds
    threading.Thread(target=importlib.import_module, args=pictures, daemon=True).start()
    App(PAGES, middleware=[Middleware(Guard, port)]).run(config=options(port, browser))


def share_memory() -> None:
    """Let threads share two heaps: each that a page runs in would keep what it has freed."""
    with contextlib.suppress(OSError, AttributeError):  # elsewhere than in glibc there are none
        ctypes.CDLL("libc.so.6").mallopt(M_ARENA_MAX, 2)


class Guard:
    """Lets in what this machine's own browser asks for on the app's own page, and nothing else.

    A page elsewhere could name 127.0.0.1 as its own host (re-binding), open the app's socket from
    another port, or lay the app, in a frame, under a click. ASGI middleware.
    """

    def __init__(self, app, port: int):
        self.app, self.hosts = app, {f"{name}:{port}".encode() for name in ("localhost", ADDRESS)}

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        given = dict(scope["headers"])
        host, origin = given.get(b"host", b""), given.get(b"origin")
        if host not in self.hosts or (origin is not None and origin != b"http://" + host):
            return await refuse(scope["type"], send)

        async def framed(message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *UNFRAMED]
            await send(message)

        await self.app(scope, receive, framed)


async def refuse(kind: str, send) -> None:
    """Answer 403; a socket that is closed before it is accepted answers so too."""
    if kind == "websocket":
        return await send({"type": "websocket.close", "code": 1008})
    await send({"type": "http.response.start", "status": 403, "headers": [*UNFRAMED]})
    await send({"type": "http.response.body", "body": b"this app answers its own page alone"})


def options(port: int, browser: bool) -> dict:
    """How Streamlit is to behave: nothing leaves this machine, nothing is watched."""
    return {
        "server.address": ADDRESS,
        "server.port": port,
        "server.headless": not browser,
        "server.showEmailPrompt": False,
        "server.maxUploadSize": UPLOADS,
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "theme.base": "light",
        "theme.primaryColor": "#5E3C99",  # the VAE's colour
    }


def check_free(port: int) -> None:
    """Raise NoPort unless the port can be listened on."""
    if not 1 <= port <= 65_535:
        raise NoPort(f"port {port}: must be from 1 to 65535; {PORT} is the usual one")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError as error:
            raise NoPort(
                f"port {port}: cannot be listened on ({error.strerror}); is the app running "
                f"already? Or take another: python -m helpers app --port {port % 65_535 + 1}"
            ) from None


if __name__ == "__main__":
    try:
        serve()
    except NoPort as taken:
        sys.exit(f"error: {taken}")

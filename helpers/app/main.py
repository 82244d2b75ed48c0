"""Serves the app to a browser on this machine alone: `python -m helpers.app.main`, `make app`.

It loads nothing of the project before the first page is asked for, so that the page is there
at once.
"""

import socket
import sys
from pathlib import Path

PORT = 8501
PAGES = Path(__file__).with_name("pages") / "navigation.py"
ADDRESS = "127.0.0.1"
UPLOADS = 5  # MB


class NoPort(OSError):
    """The port is taken; the message names another way."""


def serve(port: int = PORT, browser: bool = False) -> None:
    """Serve the app until it is interrupted, and open it in a browser if asked; raises NoPort."""
    check_free(port)
    from streamlit.web import bootstrap  # a second, which a mistaken port need not wait for

    chosen = options(port, browser)
    bootstrap.load_config_options(flag_options=chosen)
    bootstrap.run(str(PAGES), False, [], chosen)


def options(port: int, browser: bool) -> dict:
    """How Streamlit is to behave: nothing leaves this machine, nothing is watched."""
    return {
        "server_address": ADDRESS,
        "server_port": port,
        "server_headless": not browser,
        "server_showEmailPrompt": False,
        "server_maxUploadSize": UPLOADS,
        "server_fileWatcherType": "none",
        "browser_gatherUsageStats": False,
        "client_toolbarMode": "minimal",
        "client_showErrorDetails": "none",
        "theme_base": "light",
        "theme_primaryColor": "#5E3C99",  # the VAE's colour
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

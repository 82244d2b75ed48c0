"""Starts the app's server on this machine alone: `python -m helpers.launch`, `make app`.

It loads nothing of the project before the first page is asked for, so that the page is there
at once.
"""

import argparse
import socket
import sys
from pathlib import Path

PORT = 8501
APP = Path(__file__).with_name("app.py")
ADDRESS = "127.0.0.1"
UPLOADS = 5  # MB


class NoPort(OSError):
    """The port is taken; the message names another way."""


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


def serve(port: int = PORT, browser: bool = False) -> None:
    """Serve the app until it is interrupted; raises NoPort."""
    check_free(port)
    from streamlit.web import bootstrap  # a second, which a mistaken port need not wait for

    chosen = options(port, browser)
    bootstrap.load_config_options(flag_options=chosen)
    bootstrap.run(str(APP), False, [], chosen)


def check_free(port: int) -> None:
    """Raise NoPort unless the port can be listened on."""
    if not 1 <= port <= 65_535:
        raise NoPort(f"port {port}: must be from 1 to 65535, as in --port {PORT}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError as error:
            raise NoPort(
                f"port {port}: cannot be listened on ({error.strerror}); is the app running "
                f"already? Or choose another, as in --port {port % 65_535 + 1}"
            ) from None


def main(arguments: list[str] | None = None) -> int:
    """Serve the app as the command line says; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m helpers.launch", description=__doc__)
    add_flags(parser)
    given = parser.parse_args(arguments)
    try:
        serve(given.port, given.browser)
    except NoPort as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def add_flags(command: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    command.add_argument("--port", type=int, default=PORT, help=f"to listen on; default {PORT}")
    command.add_argument("--browser", action="store_true", help="open the page in a browser")


if __name__ == "__main__":
    sys.exit(main())

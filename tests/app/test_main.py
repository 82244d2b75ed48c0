"""Starting the server: on this machine alone, and a taken port told in one line."""

import socket
import subprocess
import sys

import pytest
from streamlit import config
from streamlit.web import bootstrap

from helpers import cli
from helpers.app import main
from helpers.images import readers


@pytest.fixture
def served(monkeypatch):
    """What the server is asked to do; none is started."""
    calls = []
    monkeypatch.setattr(bootstrap, "load_config_options", lambda flag_options: None)
    monkeypatch.setattr(bootstrap, "run", lambda *given: calls.append(given))
    return calls


@pytest.fixture
def bound():
    """A port, and the socket that keeps it."""
    with socket.socket() as probe:
        probe.bind((main.ADDRESS, 0))
        yield probe.getsockname()[1], probe


def test_it_listens_on_this_machine_alone(served, bound):
    port, probe = bound
    probe.close()
    assert cli.main(["app", "--port", str(port)]) == 0
    path, _, _, options = served[0]
    assert path == str(main.PAGES)
    assert main.PAGES.exists()
    assert (options["server_address"], options["server_port"]) == ("127.0.0.1", port)
    assert options["browser_gatherUsageStats"] is False
    assert options["server_headless"] is True
    assert options["server_maxUploadSize"] == readers.MEGABYTES
    main.serve(port, browser=True)
    assert served[1][3]["server_headless"] is False


def test_every_option_is_one_that_streamlit_has():
    known = {name.replace(".", "_") for name in config.get_config_options()}
    assert set(main.options(1, False)) <= known


@pytest.mark.parametrize("port", [0, 70_000, -1])
def test_an_impossible_port_is_told(served, port):
    with pytest.raises(main.NoPort, match=f"port {port}: must be from 1 to 65535"):
        main.serve(port)
    assert not served


def test_a_taken_port_is_told(served, bound):
    port, probe = bound
    probe.listen()
    with pytest.raises(main.NoPort, match=f"port {port}: cannot be listened on"):
        main.serve(port)
    assert not served


@pytest.mark.parametrize("module", ["helpers.app.main", "helpers.app.pages.train"])
def test_the_first_page_does_not_wait_for_pytorch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)

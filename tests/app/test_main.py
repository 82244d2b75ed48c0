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
    assert set(options) <= {name.replace(".", "_") for name in config.get_config_options()}


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

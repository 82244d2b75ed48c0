"""Starting the server: on this machine alone, and a taken port told in one line."""

import socket

import pytest
from streamlit.web import bootstrap

from helpers import __main__, launch, uploads


@pytest.fixture
def served(monkeypatch):
    """What the server is asked to do; none is started."""
    calls = []
    monkeypatch.setattr(bootstrap, "load_config_options", lambda flag_options: None)
    monkeypatch.setattr(bootstrap, "run", lambda *given: calls.append(given))
    return calls


@pytest.fixture
def free():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((launch.ADDRESS, 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("main", [launch.main, lambda words: __main__.main(["app", *words])])
def test_it_listens_on_this_machine_alone(served, free, main):
    assert main(["--port", str(free)]) == 0
    path, _, _, options = served[0]
    assert path.endswith("app.py")
    assert (options["server_address"], options["server_port"]) == ("127.0.0.1", free)
    assert options["browser_gatherUsageStats"] is False
    assert options["server_headless"] is True
    assert options["server_maxUploadSize"] == uploads.MEGABYTES


def test_a_browser_is_opened_where_one_asks_for_it(served, free):
    assert launch.main(["--port", str(free), "--browser"]) == 0
    assert served[0][3]["server_headless"] is False


def test_every_option_is_one_that_streamlit_has():
    from streamlit import config

    known = {name.replace(".", "_") for name in config.get_config_options()}
    assert set(launch.options(1, False)) <= known


@pytest.mark.parametrize("port", ["0", "70000", "-1"])
def test_an_impossible_port_takes_one_line(served, capsys, port):
    assert launch.main(["--port", port]) == 2
    assert f"port {port}: must be from 1 to 65535" in capsys.readouterr().err
    assert not served


def test_a_taken_port_takes_one_line(served, capsys):
    with socket.socket() as other:
        other.bind((launch.ADDRESS, 0))
        other.listen()
        port = other.getsockname()[1]
        assert launch.main(["--port", str(port)]) == 2
    said = capsys.readouterr().err
    assert f"port {port}: cannot be listened on" in said
    assert said.count("\n") == 1
    assert not served

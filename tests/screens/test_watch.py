"""The page that plays films: the project's own, and one drawn from a run trained here."""

from pages import order, page, quick, said, trained

from helpers import trials
from helpers.screens import watch

assert quick  # a fixture


def test_the_projects_films_are_there():
    at = page("watch")
    assert at.segmented_control[0].options[-1] == watch.OWN
    assert at.get("video")


def test_a_film_is_drawn_once_from_a_run_trained_here(quick):
    trial = trained(order())
    at = page()
    at.session_state["trial"] = trial
    at.switch_page("screens/watch.py").run()
    assert not at.exception
    assert said(at) == []
    path = trials.folder(trial) / "film.mp4"
    made = path.stat().st_mtime_ns
    at.run()
    assert path.stat().st_mtime_ns == made


def test_a_damaged_film_strip_is_told(quick):
    trial = trained(order())
    (trials.folder(trial) / "run.probes.npz").write_bytes(b"0")
    at = page()
    at.session_state["trial"] = trial
    at.switch_page("screens/watch.py").run()
    assert not at.exception
    assert "not the snapshots of a training" in said(at)[0]

"""The commands that start many things: sweeps and the benchmark. The others are in test_main."""

import json

import pytest
from test_bench import FOUND

from helpers import bench, runs, sweep
from helpers.__main__ import main


@pytest.fixture
def asked(monkeypatch):
    """What a sweep is asked for; no process is started."""
    calls = []

    def pretend(jobs, workers, scheduler, **extras):
        calls.append(([(job.recipe.name, job.seeds) for job in jobs], workers, scheduler, extras))
        yield "one line"

    monkeypatch.setattr(sweep, "sweep", pretend)
    return calls


def test_a_sweep_trains_every_seed_of_every_width(asked, capsys, monkeypatch):
    monkeypatch.setattr(runs, "finished", lambda recipe, target, seed, current: seed == 1)
    words = "sweep vae gan --seeds 2 --widths 8 16 --workers 3 --plain --refresh"
    assert main(words.split()) == 0
    names = ["vae-width-8", "vae-width-16", "gan-width-8", "gan-width-16"]
    jobs = [(name, (0, 1)) for name in names]
    assert asked == [(jobs, 3, "", {"refresh": True, "fast": False})]
    assert capsys.readouterr().out == "4 of 8 runs to be trained\none line\n"


def test_a_sweep_goes_to_the_cluster_that_is_named(asked):
    assert main(["sweep", "all", "--scheduler", "tcp://host:8786"]) == 0
    (jobs, workers, scheduler, extras) = asked[0]
    assert (workers, scheduler, extras) == (2, "tcp://host:8786", {"refresh": False, "fast": True})
    assert all(seeds == (0, 1, 2, 3, 4) for _, seeds in jobs)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("sweep gam", "gam: no such recipe"),
        ("sweep gan --widths 0", "must be from 1"),
        ("sweep gan --workers 0", "0 is not from 1"),
        ("sweep gan --scheduler nowhere", "nowhere: no Dask scheduler answers"),
        ("bench --rounds many", "'many' is not a whole number"),
    ],
)
def test_a_mistake_takes_one_line(words, complaint, capsys):
    try:
        status = main(words.split())
    except SystemExit as left:
        status = left.code
    found = capsys.readouterr().err
    assert status == 2
    assert complaint in found
    assert found.count("\n") == 1


def test_the_benchmark_prints_a_table_or_json(monkeypatch, capsys):
    def measure(rounds, say):
        say(f"{rounds} rounds")
        return FOUND

    monkeypatch.setattr(bench, "measure", measure)
    assert main(["bench", "--rounds", "3"]) == 0
    assert capsys.readouterr().out == f"3 rounds\n\n{bench.as_markdown(FOUND)}\n"
    assert main(["bench", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == FOUND
    assert said.err == "7 rounds\n"

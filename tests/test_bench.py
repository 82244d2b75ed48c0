"""The benchmark's arithmetic on made-up times, and its contenders on a few points."""

import os

import pytest
import torch
from small import shrink

from helpers import bench, compiling, targets

TIMES = {
    "seconds": {
        "usual": [3.0, 4.0, 8.0],
        "usual_cores": [2.5, 2.5, 2.5],
        "ours": [1.0, 1.0, 1.0],
        "together": [0.25, 0.5, 0.5],
        "together_cores": [0.2, 0.25, 0.25],
    },
    "compile_cold": 50.0,
    "compile_warm": 3.0,
    "gflop": 20.0,
}
FOUND = {
    "machine": "A processor, 2 cores",
    "rounds": 3,
    "import_seconds": 2.5,
    "vae": TIMES,
    "gan": TIMES,
    "ceiling_gflops": 80.0,
    "ceiling_cores_gflops": 160.0,
    "film_ms": {"vae": 25.4, "gan": 20.0},
}


def test_speed_is_compared_within_each_round():
    assert bench.speedup(TIMES, "ours") == 4
    assert bench.speedup(TIMES, "together") == 12  # of 12, 8 and 16
    assert bench.speedup(TIMES, "usual") == 1


def test_compiling_counts_once_in_250_epochs():
    assert bench.whole(TIMES) == pytest.approx(250 * 4 / (250 + 50))


def test_a_share_of_the_ceiling_is_arithmetic_over_seconds():
    assert bench.share(TIMES, "together", 80.0) == pytest.approx(20 / 0.5 / 80)


def test_the_table_names_machine_times_and_ratios():
    table = bench.as_markdown(FOUND)
    assert "| one thread of A processor, 2 cores |" in table
    assert "1.00 s, **4.0 ×**" in table
    assert "0.50 s, **12.0 ×**" in table
    assert "6 %, 25 %, 50 %" in table
    assert "| the same on all cores | 2.50 s | 2.50 s |" in table
    assert "0.25 s, **16.0 ×**" in table  # of 15, 16 and 32
    assert "that of all cores, 160 GFLOP/s: 8 seeds | 50 % | 50 % |" in table
    assert "50 s, 3 s" in table
    assert "25 ms | 20 ms" in table
    assert "pythae" not in table
    widths = {line.count("|") for line in table.splitlines()}
    assert widths == {4}


def test_a_peer_has_a_line_where_it_was_measured():
    peer = TIMES | {"seconds": TIMES["seconds"] | {"pythae": [5.0, 5.0, 5.0]}}
    assert "| pythae's trainer, an epoch | 5.00 s | – |" in bench.as_markdown(FOUND | {"vae": peer})


def test_the_ceiling_is_that_of_a_matrix_product(monkeypatch):
    ticks = iter([0.0, 2.0, 10.0, 11.0, 20.0, 24.0])
    monkeypatch.setattr(bench.time, "perf_counter", lambda: next(ticks))
    used: list[int] = []
    monkeypatch.setattr(bench.torch, "mm", lambda a, b: used.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    assert bench.ceiling(3, rounds=3) == pytest.approx(2 * bench.SIDE**3 / 2.0 / 1e9)
    assert used == [3, 3, 3]
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("before", [None, "somewhere"])
def test_compiled_code_goes_to_an_empty_folder_for_the_time_being(monkeypatch, before):
    monkeypatch.delenv(compiling.CACHE, raising=False)
    if before:
        monkeypatch.setenv(compiling.CACHE, before)
    with bench.compiling_into("elsewhere"):
        assert os.environ[compiling.CACHE] == "elsewhere"
    assert os.environ.get(compiling.CACHE) == before


@pytest.mark.parametrize("family", ["vae", "gan"])
def test_a_film_frame_takes_time(monkeypatch, family):
    shrink(monkeypatch)
    monkeypatch.setattr(bench, "FRAMES", 3)
    assert 0 < bench.film_ms(family, targets.gmm5()) < float("inf")


def test_everything_is_measured_once_and_said(monkeypatch):
    shrink(monkeypatch)
    monkeypatch.setattr(bench, "family_times", lambda family, target, rounds, say: TIMES)
    for name, value in (("ceiling", 80.0), ("import_seconds", 2.5), ("film_ms", 20.0)):
        monkeypatch.setattr(bench, name, lambda *a, value=value: value)
    said: list[str] = []
    found = bench.measure(3, said.append)
    assert set(found) == set(FOUND)
    assert bench.as_markdown(found)
    assert said == [f"{bench.machine()}; 3 rounds"]
    assert torch.get_num_threads() == 1

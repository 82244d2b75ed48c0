"""The command line: what a user types, what comes back, and one line for every mistake."""

import contextlib
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from small import recipe, shrink, weights

from helpers import cli, experiments, recipes, recorder, runs, targets, training
from helpers.cli import main
from helpers.engine import distributed
from helpers.engine.members import FAST
from helpers.recorder import Recorder
from helpers.study import benchmark, evidence, sweep

TINY = ["--plain", "--epochs", "1", "--batch", "100", "--generator", "8", "--discriminator", "8"]
PROGRAM = [sys.executable, "-m", "helpers"]


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    shrink(monkeypatch)


@pytest.fixture
def mine(tmp_path):
    """A mixture of seven components in a file."""
    means = [[3.0 * i, (-1) ** i] for i in range(7)]
    covariances = [[[0.2 + 0.1 * i, 0.05], [0.05, 0.3]] for i in range(7)]
    definition = {"weights": [1 / 7] * 7, "means": means, "covariances": covariances}
    path = tmp_path / "my.json"
    path.write_text(json.dumps(definition), encoding="utf-8")
    return str(path)


@pytest.fixture
def run(tmp_path):
    """The stem of a small trained run, as a word of the command line."""
    stem = tmp_path / "made" / "seed5"
    recorder.train(recipe(epochs=2), targets.gmm5(), stems=[stem])
    return str(stem)


@pytest.fixture
def complaint(capsys):
    """A function that runs a command that must fail, and returns its one line."""

    def fail(*words):
        assert main([str(word) for word in words]) == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert said.count("\n") == 1
        return said

    return fail


@pytest.fixture
def passed(monkeypatch):
    """What `train` passes on; nothing is trained."""
    seen = {}

    def train(recipe, target, seeds, **options):
        seen.update(options, recipe=recipe, target=target, seeds=seeds)
        raise ValueError("enough")

    monkeypatch.setattr(recorder, "train", train)
    return seen


def test_list_names_every_recipe_and_target(capsys):
    assert main(["list"]) == 0
    words = capsys.readouterr().out.split()
    assert {*experiments.RECIPES, *experiments.TARGETS, *targets.MIXTURES} <= set(words)


@pytest.mark.parametrize("words", [["--help"], ["list"], ["train", "gan", "--help"]])
def test_what_needs_no_pytorch_does_not_import_it(words):
    found = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "helpers", *words],
        capture_output=True,
        encoding="utf-8",
    )
    assert found.returncode == 0
    imported = {line.split("|")[-1].strip() for line in found.stderr.splitlines()}
    assert "helpers.cli" in imported
    assert not {"torch", "numpy", "matplotlib", "streamlit"} & imported


@pytest.mark.parametrize("words", [*([name] for name in cli.COMMANDS), ["train", "gan-best"]])
def test_help_fits_a_terminal_and_tells_the_values_of_the_recipe_named(words, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit):
        main([*words, "--help"])
    text = capsys.readouterr().out
    assert text.startswith(f"usage: python -m helpers {words[0]}")
    assert max(map(len, text.splitlines())) <= 100
    if "gan-best" in words:
        found = " ".join(text.replace("│", " ").split())
        epochs = experiments.named("gan-best").epochs
        usual = f"passes over the training points; the assignment's (default: {epochs})"
        assert usual in found
        assert "one of non-saturating, least-squares, wgan-gp, relativistic" in found


# -------------------------------------------------------------------------------------- train


@pytest.mark.parametrize("base", experiments.RECIPES.values(), ids=lambda base: base.name)
def test_a_recipe_given_flag_by_flag_is_that_recipe(passed, base):
    usual = {"vae": "vae", "gan": "gan"} if base.domain == "plane" else {
        "vae": "vae-digits-2", "gan": "gan-digits"}  # fmt: skip
    target = "gmm5" if base.domain == "plane" else "digits"
    words = ["train", usual[base.family], "--target", target]
    for field in dataclasses.fields(base):
        value = getattr(base, field.name)
        if field.name not in ("name", "idea", "family", "domain") and value != "":
            values = value if isinstance(value, tuple) else (value,)
            words += [f"--{field.name.replace('_', '-')}", *map(str, values)]
    main(words)
    names = {"name": "", "idea": ""}
    found, expected = (recipes.to_dict(one) | names for one in (passed["recipe"], base))
    assert found == expected


@pytest.mark.parametrize(
    ("words", "engine"),
    [
        (["gan-best"], FAST),
        (["gan-best", "--plain"], training.PLAIN),
        (["gan-digits", "--target", "digits", "--preset", "tiny"], training.PLAIN),
    ],
)
def test_what_is_not_given_stays_and_steps_are_compiled_unless_plain_or_tiny(passed, words, engine):
    assert main(["train", *words]) == 2
    assert passed["engine"] is engine
    assert (passed["seeds"], passed["stems"], passed["device"]) == ((5,), [None], "auto")
    assert "tiny" in words or passed["recipe"] is experiments.named("gan-best")


def test_a_preset_changes_the_recipe_and_cuts_the_dataset(passed):
    main(["train", "gan-digits", "--target", "digits", "--preset", "tiny", "--epochs", "7"])
    tiny = experiments.named("gan-digits-tiny")
    assert passed["recipe"] == recipes.changed(tiny, epochs=7)
    assert passed["target"].most == experiments.PRESETS["tiny"].images
    main(["train", "gan-digits", "--target", "digits-28-50", "--images", "80"])
    assert passed["target"].most == 50


def test_a_mixture_from_a_file_is_trained_sampled_and_read_back(mine, tmp_path, capsys):
    assert main(["train", "gan", "--target", mine, "--seed", "3", *TINY]) == 0
    said = capsys.readouterr().out
    assert re.search("gan-custom-[0-9a-f]{6}, seed 3: epoch   1 of 1", said)
    assert "seed3.zip\n  share" in said
    name = next(name for name in runs.known() if "@my-" in name and name.endswith("/seed3"))
    run = runs.find(name)
    assert run.target.k == 7
    assert dataclasses.replace(run.recipe, name="gan-custom") == recipe(epochs=1)
    output = tmp_path / "new" / "x.npy"
    assert main(["sample", name, "-n", "50", "-o", str(output)]) == 0
    expected = run.sample(50, training.stream(0)).numpy()
    assert np.array_equal(np.load(output), expected)


def test_an_interrupted_training_says_how_to_go_on_and_does(tmp_path, monkeypatch, capsys):
    command = ["train", "gan", *TINY, "--epochs", "3"]
    assert main([*command, "--out", str(tmp_path / "whole")]) == 0
    keep = Recorder.keep

    def stop(recorder, snapshot):
        keep(recorder, snapshot)
        if snapshot.epoch == 2:
            raise KeyboardInterrupt

    broken = str(tmp_path / "broken")
    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "keep", stop)
        assert main([*command, "--out", broken]) == 130
    said = capsys.readouterr().err
    assert "--resume goes on" in said
    assert runs.find(broken).history["epoch"] == [0, 1, 2]
    assert main([*command, "--out", broken, "--resume"]) == 0
    whole = runs.find(str(tmp_path / "whole"))
    assert torch.equal(weights(whole), weights(runs.find(broken)))


def test_under_torchrun_the_training_is_shared(monkeypatch, complaint, capsys):
    seen = {}

    def train(recipe, target, seed, **options):
        seen.update(options, seed=seed)

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(distributed, "train", train)
    assert main(["train", "gan", "--seed", "3", "--out", "there", "--device", "cpu"]) == 0
    assert capsys.readouterr().out == ""
    assert (seen["seed"], str(seen["stem"]), seen["device"]) == (3, "there/seed3", "cpu")
    assert "not under torchrun" in complaint("train", "gan", "--resume")


# ----------------------------------------------------------------------------------- mistakes


def test_a_training_that_diverges_says_what_to_lower(complaint):
    words = [
        "train",
        "vae",
        "--plain",
        "--epochs",
        "1",
        "--batch",
        "100",
        "--learning-rate",
        "1",
        "--beta",
        "1e6",
    ]
    assert "not finite; lower the learning rate" in complaint(*words)


def test_damaged_files_are_one_line(complaint, run, tmp_path):
    (tmp_path / "x.npy").write_text("0.5, 0.5", encoding="utf-8")
    (tmp_path / "x.json").write_text("{", encoding="utf-8")
    with open(f"{run}.zip", "r+b") as file:
        file.write(b"more")
    assert "x.npy: not a .npy file" in complaint("evaluate", tmp_path / "x.npy")
    assert "x.json: not JSON" in complaint("train", "gan", "--target", tmp_path / "x.json")
    for words in (["sample", run, "-o", "x.npy"], ["evaluate", run], ["film", run]):
        assert "seed5.zip: damaged" in complaint(*words)


@pytest.mark.parametrize("kind", [sweep.LostWorker, sweep.NoCluster, torch.OutOfMemoryError])
def test_accidents_are_one_line_and_mistakes_in_the_code_are_not(kind, monkeypatch, complaint):
    def fail(*given, **options):
        raise kind("two\nlines")

    monkeypatch.setattr(sweep, "grid", fail)
    assert complaint("sweep", "gan") == "error: two lines\n"
    kind = RuntimeError
    with pytest.raises(RuntimeError, match="two"):
        main(["sweep", "gan"])


# ------------------------------------------------------------------------- the other commands


def test_scores_are_a_table_or_strict_json(run, capsys, mine):
    words = ["evaluate", run, "-n", "60", "--target", mine]
    assert main([*words, "--json"]) == 0
    said = capsys.readouterr()
    assert "measuring once what the truth itself scores" in said.err
    found = json.loads(said.out, parse_constant=pytest.fail)  # of NaN and Infinity
    assert found["modes covered"]["inside"] is False
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("60 samples against my\nmetric ")


def test_film_writes_four_files(run, tmp_path, capsys):
    assert main(["film", run, "-o", str(tmp_path / "film.mp4")]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = ["film.mp4", "film.png", "film_strip.png", "film.gif"]
    assert [line.split(": ")[0] for line in lines] == [str(tmp_path / name) for name in names]


def test_a_sweep_trains_every_seed_of_every_width(monkeypatch, capsys):
    calls = []

    def pretend(todo, *given):
        calls.append(([(one.recipe.name, one.seeds) for one in todo], *given))
        yield "one line"

    monkeypatch.setattr(sweep, "sweep", pretend)
    monkeypatch.setattr(runs, "finished", lambda recipe, target, seed, **options: seed == 1)
    words = "sweep vae gan --seeds 2 --widths 8 16 --workers 3 --plain"
    assert main(words.split()) == 0
    names = ["vae-width-8", "vae-width-16", "gan-width-8", "gan-width-16"]
    assert calls == [([(name, (0, 1)) for name in names], 3, "", False, training.PLAIN)]
    assert capsys.readouterr().out == "4 of 8 runs to be trained\none line\n"
    assert main(["sweep", "all", "--scheduler", "tcp://host:8786", "--refresh"]) == 0
    assert calls[1][1:] == (2, "tcp://host:8786", True, FAST)
    assert [name for name, _ in calls[1][0]] == list(experiments.STUDIES)


def test_evidence_is_made_after_training_if_asked(monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(sweep, "sweep", lambda todo, workers, refresh: ["trained one"])
    monkeypatch.setattr(
        evidence, "make", lambda names, workers, say, device: calls.append((names, device))
    )
    assert main(["evidence", "power", "pace", "--train"]) == 0
    assert capsys.readouterr().out == "trained one\n"
    assert main(["evidence"]) == 0
    assert main(["evidence", "samplers", "--device", "auto"]) == 0
    assert calls == [(("power", "pace"), "cpu"), ((), "cpu"), (("samplers",), "cpu")]


def test_the_benchmark_prints_a_table_or_json(monkeypatch, capsys):
    def measure(rounds, say):
        say(f"{rounds} rounds")
        return {"rounds": rounds}

    monkeypatch.setattr(benchmark, "measure", measure)
    monkeypatch.setattr(benchmark, "as_markdown", lambda found: "a table")
    assert main(["bench", "--rounds", "3"]) == 0
    assert capsys.readouterr().out == "3 rounds\n\na table\n"
    assert main(["bench", "--json"]) == 0
    said = capsys.readouterr()
    assert (json.loads(said.out), said.err) == ({"rounds": 7}, "7 rounds\n")


# ----------------------------------------------------------------------------- as a program


def test_the_module_runs_where_marks_cannot_be_written():
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    command = [*PROGRAM, "train", "σ"]
    wrong = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: '?': no such recipe")
    assert wrong.stderr.count("\n") == 1


def test_a_reader_that_leaves_hears_nothing():
    with subprocess.Popen([*PROGRAM, "list"], stdout=-1, stderr=-1, bufsize=0) as process:
        process.stdout.close()
        assert process.stderr.read() == b""


STARTED = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background ignores
print("on", flush=True)
sys.argv = ["helpers", "train", "gan", "--plain"]
runpy.run_module("helpers", run_name="__main__")
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_an_interrupt_during_imports_is_one_line():
    """A library may swallow one while it is imported: a person then presses the keys again."""
    with subprocess.Popen([sys.executable, "-c", STARTED], stdout=-1, stderr=-1) as process:
        assert process.stdout.readline() == b"on\n"
        time.sleep(0.5)  # into the imports, or wherever the process then is
        for _ in range(5):
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
                break
        process.kill()
        said = process.stderr.read().decode()
    assert process.returncode in (130, -signal.SIGINT)
    assert said.startswith("interrupted")
    assert said.count("\n") == 1

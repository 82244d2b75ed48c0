"""The command line: what a user types, what comes back, and one line for every mistake."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from small import recipe, shrink, weights

from helpers import experiments, recording, runs, scoring, targets
from helpers.__main__ import main
from helpers.metrics import scorecard
from helpers.recorder import Recorder

TINY = ["--plain", "--epochs", "1", "--batch", "100", "--generator", "8", "--critic", "8"]


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    shrink(monkeypatch)


@pytest.fixture
def mine(tmp_path):
    """A mixture of seven components in a file."""
    k = 7
    definition = {
        "weights": [1 / k] * k,
        "means": [[3.0 * i, (-1) ** i] for i in range(k)],
        "covariances": [[[0.2 + 0.1 * i, 0.05], [0.05, 0.3]] for i in range(k)],
    }
    path = tmp_path / "my.json"
    path.write_text(json.dumps(definition), encoding="utf-8")
    return path


@pytest.fixture
def run(tmp_path):
    """The stem of a small trained run, as a word of the command line."""
    stem = tmp_path / "made" / "seed5"
    recording.train(recipe(epochs=2), targets.gmm5(), stems=[stem], fast=False)
    return str(stem)


@pytest.fixture
def complaint(capsys):
    """A function that runs a command that must fail, and returns its one line."""

    def fail(*arguments):
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as left:
            status = left.code
        found = capsys.readouterr().err
        assert status == 2, found
        assert found.startswith("error: ")
        assert found.count("\n") == 1
        return found

    return fail


def test_list_names_every_recipe_and_target(capsys):
    assert main(["list"]) == 0
    words = capsys.readouterr().out.split()
    assert {*experiments.RECIPES, *targets.NAMED} <= set(words)


def test_a_mixture_from_a_file_is_trained_sampled_and_read_back(mine, tmp_path, capsys, written):
    assert main(["train", "gan", "--target", str(mine), "--seed", "3", *TINY]) == 0
    said = capsys.readouterr()
    assert "gan-custom, seed 3: epoch   1 of 1" in said.out
    run = runs.find("gan-custom@my/seed3")
    assert run.target.k == 7
    assert run.recipe == recipe(epochs=1)
    output = tmp_path / "new" / "x.npy"
    assert main(["sample", "gan-custom@my/seed3", "-n", "50", "-o", str(output)]) == 0
    expected = run.sample(50, torch.Generator().manual_seed(0)).numpy()
    assert np.array_equal(np.load(output), expected)


def test_the_same_command_twice_gives_the_same_weights(tmp_path):
    for name in ("one", "two"):
        assert main(["train", "vae", "--out", str(tmp_path / name), *TINY[:5]]) == 0
    one, two = (runs.find(str(tmp_path / name)) for name in ("one", "two"))
    assert torch.equal(weights(one), weights(two))


@pytest.mark.parametrize("plain", [True, False])
def test_steps_are_compiled_unless_plain(monkeypatch, plain):
    seen = {}

    def train(recipe, target, seeds, **options):
        seen.update(options)
        raise ValueError("enough")

    monkeypatch.setattr(recording, "train", train)
    assert main(["train", "gan", *(["--plain"] if plain else [])]) == 2
    assert seen["fast"] is not plain


def test_an_interrupted_command_says_how_to_go_on_and_does(tmp_path, monkeypatch, capsys):
    command = ["train", "gan", *TINY, "--epochs", "3"]
    assert main([*command, "--out", str(tmp_path / "whole")]) == 0
    keep = Recorder.keep

    def stop(recorder, snapshot):
        keep(recorder, snapshot)
        if snapshot.epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "keep", stop)
        assert main([*command, "--out", str(tmp_path / "broken")]) == 130
    assert "--resume goes on" in capsys.readouterr().err
    assert runs.find(str(tmp_path / "broken")).history["epoch"] == [0, 1, 2]
    assert main([*command, "--out", str(tmp_path / "broken"), "--resume"]) == 0
    whole, broken = (runs.find(str(tmp_path / name)) for name in ("whole", "broken"))
    assert torch.equal(weights(whole), weights(broken))


TARGETS = {
    "no such file": None,
    "not JSON": "{",
    "no 'means'": '{"weights": [1]}',
    "weights sum to 0.5": {"weights": [0.5]},
    "is not positive": {"weights": [-1.0]},
    "need 'means' of shape": {"means": [[0, 0], [1, 1]]},
    "not symmetric positive definite": {"covariances": [[[1, 2], [2, 1]]]},
    "not finite": {"means": [[float("nan"), 0]]},
    "must be lists of numbers": {"means": [["a", 0]]},
}


@pytest.mark.parametrize(("message", "content"), TARGETS.items(), ids=TARGETS)
def test_a_bad_target_is_one_line(complaint, tmp_path, message, content):
    path = tmp_path / "bad.json"
    if isinstance(content, dict):
        good = {"weights": [1.0], "means": [[0, 0]], "covariances": [[[1, 0], [0, 1]]]}
        content = json.dumps(good | content)
    if content is not None:
        path.write_text(content, encoding="utf-8")
    found = complaint("train", "gan", "--target", path, *TINY)
    assert message in found
    assert "bad.json" in found


MISTAKES = {
    "no command": ([], "COMMAND"),
    "unknown command": (["fly"], "invalid choice: 'fly'"),
    "unknown recipe": (["train", "gam"], "gam: no such recipe; choose one of vae, gan"),
    "unknown flag": (["train", "gan", "--speed", "3"], "--speed"),
    "zero epochs": (["train", "gan", "--epochs", "0"], "epochs = 0: must be at least 1"),
    "half an epoch": (["train", "gan", "--epochs", "0.5"], "invalid int value: '0.5'"),
    "negative batch": (["train", "gan", "--batch", "-4"], "batch = -4: must be at least 2"),
    "huge batch": (["train", "gan", "--plain", "--batch", "999999999"], "exceeds the 600 training"),
    "other family": (["train", "gan", "--beta", "2"], "beta: gan is a GAN, which has no such"),
    "other objective": (["train", "vae", "--objective", "wgan-gp"], "choose one of elbo"),
    "bad seed": (["train", "gan", "--seed", "-1"], "-1 is not from 0"),
    "bad device": (["train", "gan", "--device", "abacus"], "device 'abacus': not present"),
    "no output": (["sample", "gan"], "-o/--output"),
    "wrong ending": (["sample", "gan", "-o", "x.txt"], "'x.txt' must end in .npy"),
    "no samples": (["sample", "gan", "-n", "0", "-o", "x.npy"], "0 is not from 1"),
    "missing run": (["sample", "no-such", "-o", "x.npy"], "no such run"),
    "missing samples": (["evaluate", "no-such.npy"], "no-such.npy: cannot be read"),
    "not samples": (["evaluate", "no-such.csv"], "no such run"),
    "film of nothing": (["film", "no-such"], "no such run"),
    "film as text": (["film", "gan", "-o", "x.gif"], "'x.gif' must end in .mp4"),
}


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line(complaint, arguments, message):
    assert message in complaint(*arguments)


def test_a_damaged_run_is_one_line(complaint, run):
    with open(f"{run}.pt", "ab") as file:
        file.write(b"more")
    for command in (["sample", run, "-o", "x.npy"], ["evaluate", run], ["film", run]):
        assert "seed5.pt: not the weights that the record" in complaint(*command)


def test_text_in_a_npy_file_is_one_line(complaint, tmp_path):
    (tmp_path / "x.npy").write_text("0.5, 0.5", encoding="utf-8")
    assert "x.npy: not a .npy file of numbers" in complaint("evaluate", tmp_path / "x.npy")


def test_a_training_that_diverges_is_one_line(complaint):
    line = complaint("train", "vae", *TINY[:5], "--learning-rate", "1", "--beta", "1e6")
    assert "not finite; lower the learning rate" in line


@pytest.fixture
def samples(tmp_path, monkeypatch):
    """10,000 true samples in a file, with training points of the size that ranges are kept for."""
    monkeypatch.undo()
    monkeypatch.delenv("FIVE_GAUSSIANS_OUT", raising=False)
    points = targets.gmm5().sample(10_000, torch.Generator().manual_seed(11))
    np.save(tmp_path / "x.npy", points.numpy())
    return str(tmp_path / "x.npy")


def test_true_samples_evaluate_as_inside(samples, capsys):
    assert main(["evaluate", samples, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == [metric.name for metric in scorecard.DEFAULT]
    assert all(row["inside"] for row in found.values())
    assert all(row["low"] <= row["value"] <= row["high"] for row in found.values())


def test_a_score_is_printed_as_a_table_unless_json_is_asked_for(samples, capsys, monkeypatch):
    row = scoring.Row("recall", "share", "higher", 0.5, 0.99, 0.98, 1.0, False, 0.0)
    monkeypatch.setattr(scoring, "score", lambda *given, **options: [row])
    assert main(["evaluate", samples]) == 0
    expected = scoring.as_text([row], 10_000, targets.gmm5())
    assert capsys.readouterr().out == expected + "\n"


def test_measuring_the_truth_is_announced_beside_the_json(run, capsys, mine):
    assert main(["evaluate", run, "-n", "60", "--target", str(mine), "--json"]) == 0
    said = capsys.readouterr()
    assert "my-60: measuring what the truth itself scores" in said.err
    assert json.loads(said.out)["modes covered"]["inside"] is False


def test_film_writes_four_files(run, tmp_path, capsys):
    assert main(["film", run, "-o", str(tmp_path / "film.mp4")]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = ["film.mp4", "film.png", "film_strip.png", "film.gif"]
    assert [line.split(": ")[0] for line in lines] == [str(tmp_path / name) for name in names]


def test_the_module_runs_as_a_program_even_where_marks_cannot_be_written():
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "helpers"]
    wrong = subprocess.run(
        [*command, "train", "σ"], capture_output=True, text=True, env=environment
    )
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: ?: no such recipe")
    assert wrong.stderr.count("\n") == 1

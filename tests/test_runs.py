"""Runs: found by name or path, refused when they do not fit, noticed when out of date."""

import dataclasses
import json

import pytest
import torch
from small import recipe, shrink

from helpers import experiments, places, recipes, recorder, recording, runs, storage, targets
from helpers.storage import BadRun

TARGET = targets.gmm5()


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    shrink(monkeypatch)


def made(written, name="gan", seed=5, target=TARGET, **values):
    """A run of fresh networks in the place where a trained one would lie."""
    it = recipe(name, **values)
    g = torch.Generator().manual_seed(seed)
    model, critic = runs.fresh(it, target, target.sample(100, g), g)
    kept = {"model": model.state_dict()} | ({"critic": critic.state_dict()} if critic else {})
    stem = places.output(*runs.folder(it, target).parts, f"seed{seed}")
    record = {
        "recipe": recipes.to_dict(it),
        "target": target.definition(),
        "seed": seed,
        "complete": True,
        **runs.provenance(torch.device("cpu")),
        "metrics": {},
        "history": {"epoch": [0]},
    }
    storage.write(stem, record, kept)
    return stem, model


@pytest.mark.parametrize("name", ["vae", "gan"])
def test_a_run_comes_back_with_its_model(written, name):
    stem, model = made(written, name)
    run = runs.read(stem)
    assert run.recipe == recipe(name)
    assert run.target.definition() == TARGET.definition()
    assert run.seed == 5
    z = torch.randn(50, 2, generator=torch.Generator().manual_seed(1))
    assert torch.equal(run.model.decode(z), model.decode(z))
    one, two = (run.sample(9, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(one, two)


def test_a_target_of_one_component_can_be_read(written):
    one = targets.from_definition(
        {"weights": [1], "means": [[0, 0]], "covariances": [torch.eye(2).tolist()]}
    )
    assert runs.read(made(written, target=one)[0]).target.k == 1


@pytest.mark.parametrize(
    "name",
    ["gan-custom", "gan-custom/seed5", "{stem}.json", "{stem}.pt", "{stem}", "{folder}"],
)
def test_a_run_is_found_by_name_path_or_folder(written, name):
    stem, _ = made(written)
    run = runs.find(name.format(stem=stem, folder=stem.parent))
    assert run.stem.resolve() == stem.resolve()


def test_another_seed_is_found_by_number(written):
    made(written)
    stem, _ = made(written, seed=7)
    assert runs.find("gan-custom/seed7").stem == stem
    with pytest.raises(BadRun, match=r"gan-custom.seed8\.json: no such run"):
        runs.find("gan-custom/seed8")


def test_a_name_with_a_point_in_it_is_found(written):
    folder = written / "data" / "runs" / "vae-beta-0.5"
    stem, _ = made(written, "vae")
    for ending in (".json", ".pt"):
        folder.mkdir(exist_ok=True)
        (folder / f"seed5{ending}").write_bytes(stem.with_suffix(ending).read_bytes())
    assert runs.find("vae-beta-0.5").stem == folder / "seed5"


def test_a_missing_run_says_how_to_make_one():
    with pytest.raises(BadRun, match=r"no-such.seed5\.json: no such run; .*train RECIPE"):
        runs.find("no-such")


def rewrite(stem, change):
    path = stem.with_suffix(".json")
    record = json.loads(path.read_text(encoding="utf-8"))
    change(record)
    path.write_text(json.dumps(record), encoding="utf-8")


DAMAGES = {
    "another size": lambda record: record["recipe"].update(generator=[9]),
    "unknown family": lambda record: record["recipe"].update(family="flow"),
    "unknown number": lambda record: record["recipe"].update(colour="red"),
    "impossible number": lambda record: record["recipe"].update(epochs=0),
    "wrong kind": lambda record: record.update(recipe=[1, 2]),
    "bad target": lambda record: record["target"].update(weights=[0.5, 0.1]),
}


@pytest.mark.parametrize("change", DAMAGES.values(), ids=DAMAGES)
def test_a_record_that_does_not_fit_is_refused_in_one_line(written, change):
    stem, _ = made(written)
    rewrite(stem, change)
    with pytest.raises(BadRun, match=r"seed5\.json: .*train the run again$") as caught:
        runs.read(stem)
    assert "\n" not in str(caught.value)


def test_a_run_is_fresh_until_recipe_or_code_changes(written, monkeypatch):
    run = runs.read(made(written)[0])
    assert runs.stale(run) == ""
    monkeypatch.setattr(runs, "code_fingerprint", lambda modules: "other")
    assert runs.stale(run) == "the training code has changed since"
    monkeypatch.undo()
    for changed, reason in (
        (dataclasses.replace(run.recipe, idea="in other words"), ""),
        (dataclasses.replace(run.recipe, epochs=4), "its recipe has changed since"),
    ):
        monkeypatch.setitem(experiments.RECIPES, run.recipe.name, changed)
        assert runs.stale(run) == reason


def test_loading_a_stale_run_prints_one_line(written, monkeypatch, capsys):
    made(written)
    runs.load(recipe(), TARGET)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(runs, "code_fingerprint", lambda modules: "other")
    runs.load(recipe(), TARGET)
    assert capsys.readouterr().out == (
        "gan-custom, seed 5: the training code has changed since; train it again to refresh it\n"
    )


def test_a_run_is_finished_only_for_its_own_numbers_target_and_seed(written):
    stem, _ = made(written)
    assert runs.finished(recipe(), TARGET, 5)
    assert not runs.finished(recipe(), TARGET, 6)
    assert not runs.finished(recipe(epochs=4), TARGET, 5)
    rewrite(stem, lambda record: record.update(complete=False))
    assert not runs.finished(recipe(), TARGET, 5)


def test_numbers_that_a_record_does_not_name_have_their_defaults(written):
    stem, _ = made(written)
    rewrite(stem, lambda record: record["recipe"].pop("leak"))
    assert runs.finished(recipe(), TARGET, 5)
    assert not runs.finished(recipe(leak=0.1), TARGET, 5)
    rewrite(stem, lambda record: record["recipe"].update(unheard_of=1))
    assert not runs.finished(recipe(), TARGET, 5)


def test_a_target_edited_under_its_name_is_not_finished(written):
    definition = TARGET.definition() | {"name": "mine"}
    made(written, target=targets.from_definition(definition))
    definition["means"][0][0] += 1
    assert not runs.finished(recipe(), targets.from_definition(definition), 5)


@pytest.mark.parametrize(
    ("name", "folder"),
    [("mine", "gan@mine"), ("../../x/y", "gan@.._.._x_y"), ("gmm5", "gan@gmm5")],
)
def test_another_target_has_a_folder_of_its_own(name, folder):
    other = targets.from_definition(targets.ring8().definition() | {"name": name})
    assert runs.folder(experiments.named("gan"), other).parts == ("data", "runs", folder)
    assert runs.folder(experiments.named("gan"), TARGET).parts == ("data", "runs", "gan")


def test_the_data_are_the_same_for_every_run(monkeypatch):
    monkeypatch.undo()
    one, two = runs.data(TARGET), runs.data(TARGET)
    assert [len(part.points) for part in one] == [100_000, 20_000, 100_000]
    assert all(torch.equal(a.points, b.points) for a, b in zip(one, two, strict=True))


def test_frames_number_the_epochs_from_one(written):
    run = recording.train(recipe(), TARGET, fast=False)[0]
    assert [frame.epoch for frame in run.frames] == [1, 2, 3]
    assert {frame.probe["samples"].dtype for frame in run.frames} == {torch.float32}
    last = run.frames[-1].probe["samples"]
    noise = recorder.probe_of(run.recipe, runs.data(TARGET)).noise[: len(last)]
    with torch.no_grad():  # kept in half precision
        assert torch.allclose(last, run.model.decode(noise), rtol=2e-3, atol=2e-3)

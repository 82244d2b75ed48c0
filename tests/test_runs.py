"""Runs: written whole or not at all, found by name or path, refused in one line when damaged."""

import dataclasses
import json
import os
import zipfile
from pathlib import Path

import pytest
import torch
from small import recipe, shrink

from helpers import experiments, files, recipes, runs, targets
from helpers.runs import BadRun
from helpers.training import stream

TARGET, PARTS = targets.gmm5(), sorted(runs.KINDS)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    shrink(monkeypatch)


def record_of(it, target=TARGET, seed=5, **values):
    """A complete run's record, as training would write it."""
    definitions = {"recipe": recipes.to_dict(it), "target": target.definition(), "seed": seed}
    rest = {"complete": True, "metrics": {}, "history": {"epoch": [0], "seconds": [0.0]}}
    return definitions | runs.provenance(CPU) | rest | values


def made(name="gan", seed=5, target=TARGET, record=None, **values):
    """The stem and networks of a run that was not trained, where a trained one would lie."""
    it = recipe(name, **values)
    networks = target.networks(it, target.sample(100, stream(seed)), stream(seed))
    stem = files.output(*runs.folder(it, target).parts, f"seed{seed}")
    weights = dict(zip(runs.NAMES, (n.state_dict() for n in networks), strict=False))
    runs.write(stem, record_of(it, target, seed, **(record or {})), weights)
    return stem, networks


def parts_of(stem):
    """The parts of a run's file, by name."""
    path = runs.file_of(stem)
    return {name: runs.unpack(path, name)[0] for name in zipfile.ZipFile(path).namelist()}


def rewrite(stem, change):
    """Change a run's record, in place or for what `change` returns; its weights stay."""
    parts = parts_of(stem)
    record = json.loads(parts["record.json"])
    new = change(record)
    parts["record.json"] = json.dumps(record if new is None else new).encode()
    runs.pack(runs.file_of(stem), parts)


# -------------------------------------------------------------------------- written and read


@pytest.mark.parametrize("name", ["vae", "gan"])
def test_a_run_comes_back_with_its_networks(name):
    stem, networks = made(name)
    run = runs.read(stem)
    assert (run.recipe, run.seed) == (recipe(name), 5)
    assert run.target.definition() == TARGET.definition()
    z = torch.randn(50, 2, generator=stream(1))
    assert torch.equal(run.model.decode(z), networks[0].decode(z))
    assert (run.discriminator is None) == (name == "vae")
    if name == "gan":
        assert torch.equal(run.discriminator(z), networks[1](z))
    assert torch.equal(run.sample(9, stream(1)), run.sample(9, stream(1)))


def test_a_run_written_twice_is_the_same_bytes():
    stem, _ = made()
    before = runs.file_of(stem).read_bytes()
    made()
    assert runs.file_of(stem).read_bytes() == before


def test_records_are_strict_json():
    """Some scores are NaN or infinite, for which JSON has no name."""
    odd = {"metrics": {"ratio": [1.0, float("nan")]}, "history": {"kl": [float("inf"), None]}}
    stem, _ = made(record=odd)
    text = runs.unpack(runs.file_of(stem), "record.json")[0].decode()
    record = json.loads(text, parse_constant=lambda word: pytest.fail(word))
    assert (record["metrics"], record["history"]) == ({"ratio": [1, None]}, {"kl": [None, None]})


def test_a_run_of_which_only_the_record_is_kept_has_its_history():
    stem, _ = made(
        record={"history": {"epoch": [0, 1], "seconds": [0.0, 1.0], "generator": [None, 0.5]}}
    )
    runs.pack(runs.file_of(stem), {"record.json": parts_of(stem)["record.json"]})
    run = runs.load(recipe(), TARGET)
    assert run.history["generator"] == [None, 0.5]
    told = r"seed5\.zip: only the record .* is kept; python -m helpers train gan-custom --seed 5$"
    for ask in (lambda: run.model, lambda: run.discriminator, lambda: run.sample(1, stream(0))):
        with pytest.raises(BadRun, match=told) as caught:
            ask()
        assert "\n" not in str(caught.value)
    assert runs.finished(recipe(), TARGET, 5)
    assert not runs.finished(recipe(), TARGET, 5, weights=True)


# ------------------------------------------------------------------- a reader at every moment


WRITES = [(os, "replace"), (zipfile.ZipFile, "writestr")]
NEW = {"metrics": {"version": 2}}


def at_each_write(monkeypatch, act):
    """Have `act` called before and after everything that touches a file."""

    def around(original):
        def call(*arguments, **options):
            act()
            result = original(*arguments, **options)
            act()
            return result

        return call

    for owner, name in WRITES:
        monkeypatch.setattr(owner, name, around(getattr(owner, name)))


def version_of(stem, old):
    """1 or 2: which run is there, record and weights together."""
    run = runs.read(stem)
    weights = torch.equal(run.model.net[0].weight, old[0].net[0].weight)
    assert weights == (run.metrics == {})
    return 1 if weights else 2


def write_second(stem):
    """Another training's run in the same place: other weights and another record."""
    networks = TARGET.networks(recipe(), TARGET.sample(100, stream(9)), stream(9))
    weights = dict(zip(runs.NAMES, (n.state_dict() for n in networks), strict=True))
    runs.write(stem, record_of(recipe(), **NEW), weights)


def test_a_reader_at_any_moment_sees_the_old_run_or_the_new_one(monkeypatch):
    stem, old = made()
    seen, reading = [], []

    def look():
        if not reading:  # reading opens and closes files too
            reading.append(True)
            seen.append(version_of(stem, old))
            reading.clear()

    at_each_write(monkeypatch, look)
    write_second(stem)
    assert seen == sorted(seen)
    assert set(seen) == {1, 2}
    assert len(seen) >= 6


def test_a_failure_at_any_write_leaves_the_old_run_or_the_new_one(monkeypatch):
    """As a full disk or a power cut would; nothing half written is left beside."""
    stem, old = made()
    versions = []
    for moment in range(100):
        left = [moment]

        def fail(left=left):
            left[0] -= 1
            if left[0] == -1:
                raise OSError("no space left on device")

        with monkeypatch.context() as patch:
            at_each_write(patch, fail)
            try:
                write_second(stem)
            except OSError:
                pass
            else:
                break
        versions.append(version_of(stem, old))
        assert [path.name for path in stem.parent.iterdir()] == ["seed5.zip"]
    assert versions == sorted(versions)
    assert len(versions) >= 6
    assert version_of(stem, old) == 2


def test_a_run_that_was_replaced_after_its_record_was_read_is_the_one_that_was_read():
    stem, (generator, _) = made()
    run = runs.read(stem)
    write_second(stem)
    for name, values in generator.state_dict().items():
        assert torch.equal(run.model.state_dict()[name], values)


# ------------------------------------------------------------------------------------- found


@pytest.mark.parametrize(
    "name", ["gan-custom", "gan-custom/seed5", "{stem}.zip", "{stem}", "{folder}"]
)
def test_a_run_is_found_by_name_path_or_folder(name):
    stem, _ = made()
    run = runs.find(name.format(stem=stem, folder=stem.parent))
    assert run.stem.resolve() == stem.resolve()


def test_a_name_with_a_point_in_it_and_another_seed_are_found(written):
    stem, _ = made("vae", seed=7)
    other = written / "data" / "runs" / "vae-beta-0.5" / "seed5"
    other.parent.mkdir()
    runs.file_of(other).write_bytes(runs.file_of(stem).read_bytes())
    assert runs.find("vae-beta-0.5").stem == other
    assert runs.find("vae-custom/seed7").stem == stem


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no-such", ".no-such.: no such run; `python -m helpers train RECIPE` makes one"),
        ("gan-custom/seed8", "no such run; did you mean gan-custom/seed5, .*RECIPE` makes one"),
        (
            "vae-latent-1/seed77",
            "not trained from seed 77, only from seed0, .* train vae-latent-1 --seed 77$",
        ),
        *((name, "no name; give a recipe, recipe/seed7 or a path") for name in ("", ".", "/")),
    ],
)
def test_a_missing_run_says_how_to_make_one(name, message):
    made()
    with pytest.raises(BadRun, match=message):
        runs.find(name)


@pytest.mark.parametrize(
    ("name", "folder"),
    [("mine", "gan@mine-"), ("../../x/y", "gan@.._.._x_y-"), ("gmm5", "gan@gmm5-")],
)
def test_another_target_has_a_folder_of_its_own(name, folder):
    other = targets.from_definition(targets.ring8().definition() | {"name": name})
    assert runs.folder(experiments.named("gan"), other).parts == (
        "data",
        "runs",
        folder + other.key,
    )
    assert runs.folder(experiments.named("gan"), TARGET).parts == ("data", "runs", "gan")


def test_a_target_of_one_component_can_be_read():
    eye = torch.eye(2).tolist()
    one = targets.from_definition({"weights": [1], "means": [[0, 0]], "covariances": [eye]})
    assert runs.read(made(target=one)[0]).target.k == 1


# ----------------------------------------------------------------------------------- refused


DAMAGED = {
    "another size": lambda record: record["recipe"].update(generator=[9]),
    "unknown family": lambda record: record["recipe"].update(family="flow"),
    "unknown number": lambda record: record["recipe"].update(colour="red"),
    "impossible number": lambda record: record["recipe"].update(epochs=0),
    "no recipe's form": lambda record: record.update(recipe=[1, 2]),
    "bad target": lambda record: record["target"].update(weights=[0.5, 0.1]),
    "no target's form": lambda record: record.update(target=7),
    "a number": lambda record: 7,
    "a list": lambda record: PARTS,
    "a word": lambda record: "recipe",
    "nothing": lambda record: {},
    **{f"no {part}": lambda record, part=part: record.pop(part) and None for part in PARTS},
}


@pytest.mark.parametrize("change", DAMAGED.values(), ids=DAMAGED)
def test_a_record_that_does_not_fit_is_refused_in_one_line(change):
    stem, _ = made(record={"metrics": {"a": 1}})
    rewrite(stem, change)
    with pytest.raises(BadRun, match=r"seed5\.zip: .*; train the run again$") as caught:
        _ = runs.read(stem).model
    assert "\n" not in str(caught.value)


BYTES = {
    "cut": lambda content: content[: len(content) // 2],
    "text": lambda content: b"hello",
    "empty": lambda content: b"",
    "flipped": lambda content: bytes([*content[:100], content[100] ^ 255, *content[101:]]),
}


@pytest.mark.parametrize("change", BYTES.values(), ids=BYTES)
@pytest.mark.parametrize("which", ["the file", "record.json", "weights.pt"])
def test_damaged_bytes_are_refused_in_one_line(which, change):
    stem, _ = made()
    path = runs.file_of(stem)
    if which == "the file":
        path.write_bytes(change(path.read_bytes()))
    else:
        parts = parts_of(stem)
        runs.pack(path, parts | {which: change(parts[which])})
    with pytest.raises(BadRun, match=r"seed5\.zip: .*; train the run again$") as caught:
        _ = runs.read(stem).model
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [3, [1, 2], None, "frames"])
def test_tensors_that_are_no_dictionary_are_refused(tmp_path, value):
    content = runs.save_tensors(value)
    with pytest.raises(BadRun, match=r"x\.zip: damaged .*; train the run again$"):
        runs.load_tensors(content, tmp_path / "x.zip")


def frames(stem, digest):
    """Frames that claim to be of a training whose weights have that hash."""
    seen = [{"samples": torch.full((4, 2), float(epoch)).half()} for epoch in (1, 2)]
    content = runs.save_tensors({"weights": digest, "frames": seen})
    runs.pack(runs.file_of(stem, ".frames.zip"), {"frames.pt": content})


def test_frames_number_the_epochs_from_one_in_single_precision():
    stem, _ = made()
    frames(stem, runs.read(stem).record["weights"])
    found = runs.read(stem).frames
    assert [frame.epoch for frame in found] == [1, 2]
    assert torch.equal(found[1].probe["samples"], torch.full((4, 2), 2.0))


def test_frames_that_are_missing_damaged_or_of_another_training_are_refused():
    stem, _ = made()
    path = runs.file_of(stem, ".frames.zip")
    with pytest.raises(BadRun, match=r"seed5\.frames\.zip: films need it .*train the run again$"):
        _ = runs.read(stem).frames
    frames(stem, "of another")
    with pytest.raises(BadRun, match=r"frames\.zip: the snapshots of another training; train the"):
        _ = runs.read(stem).frames
    path.write_bytes(BYTES["cut"](path.read_bytes()))
    with pytest.raises(BadRun, match=r"frames\.zip: damaged .*; train the run again$"):
        _ = runs.read(stem).frames


# ------------------------------------------------------------------------ finished, up to date


def test_a_run_is_finished_only_for_its_own_numbers_target_and_seed():
    stem, _ = made()
    assert runs.finished(recipe(), TARGET, 5)
    assert not runs.finished(recipe(), TARGET, 6)
    assert not runs.finished(recipe(epochs=4), TARGET, 5)
    rewrite(stem, lambda record: record.update(complete=False))
    assert not runs.finished(recipe(), TARGET, 5)


def test_a_target_edited_under_its_name_is_not_finished():
    definition = TARGET.definition() | {"name": "mine"}
    made(target=targets.from_definition(definition))
    assert runs.finished(recipe(), targets.from_definition(definition), 5)
    definition["means"][0][0] += 1
    assert not runs.finished(recipe(), targets.from_definition(definition), 5)


def test_numbers_that_a_record_does_not_name_have_their_defaults():
    stem, _ = made()
    rewrite(stem, lambda record: record["recipe"].pop("leak") and None)
    assert runs.finished(recipe(), TARGET, 5)
    assert not runs.finished(recipe(leak=0.1), TARGET, 5)
    rewrite(stem, lambda record: record["recipe"].update(unheard_of=1))
    assert not runs.finished(recipe(), TARGET, 5)


def test_a_run_is_outdated_when_its_recipe_or_the_training_changes_and_load_says_so(
    monkeypatch, capsys
):
    run = runs.read(made()[0])
    reworded = dataclasses.replace(run.recipe, idea="in other words")
    assert runs.outdated(run.record, reworded) == ""
    assert runs.load(run.recipe, TARGET).stem == run.stem
    assert capsys.readouterr().out == ""
    for other, version, reason in (
        (dataclasses.replace(run.recipe, epochs=4), runs.TRAINING_VERSION, "its recipe has"),
        (run.recipe, runs.TRAINING_VERSION + 1, "training has"),
    ):
        monkeypatch.setattr(runs, "TRAINING_VERSION", version)
        runs.load(other, TARGET)
        said = f"gan-custom, seed 5: {reason} changed since; train it again to refresh it\n"
        assert capsys.readouterr().out == said
        assert not runs.finished(other, TARGET, 5, current=True)


def test_a_named_recipe_may_have_changed_since_unless_today_matters(monkeypatch):
    """The README's runs stay usable under their names; `load` gives notice."""
    monkeypatch.setitem(experiments.RECIPES, "gan-custom", recipe(epochs=9))
    made()
    assert runs.finished(recipe(epochs=9), TARGET, 5)
    assert not runs.finished(recipe(epochs=9), TARGET, 5, current=True)


def test_a_record_cannot_name_a_place_elsewhere():
    """`film` writes a picture named after the recipe."""
    for name in ("../../home/holiday", "/etc/a", "", "a/b", ".a", "a\\b"):
        stem, _ = made()
        record = runs.read_record(stem)
        record["recipe"]["name"] = name
        runs.pack(runs.file_of(stem), {"record.json": json.dumps(record).encode()})
        with pytest.raises(BadRun, match=r"seed5\.zip: name .*: give letters, digits"):
            runs.read(stem)


def test_a_folder_that_ends_as_a_run_does_is_a_folder(tmp_path, monkeypatch):
    """`--out best.zip` makes one."""
    monkeypatch.chdir(tmp_path)
    stem, _ = made()
    (tmp_path / "best.zip").mkdir()
    (tmp_path / "best.zip" / "seed5.zip").write_bytes(runs.file_of(stem).read_bytes())
    assert runs.find("best.zip").stem.name == "seed5"
    named = tmp_path / "best.lr0.001.zip"
    named.write_bytes(runs.file_of(stem).read_bytes())
    assert (
        runs.find("best.lr0.001.zip").stem == runs.find("best.lr0.001").stem == Path("best.lr0.001")
    )
    with pytest.raises(BadRun, match=r"best\.lr0.: no such run"):
        runs.find("best.lr0")


def test_large_matrices_are_kept_in_bytes_with_a_scale_for_each_row():
    rng = torch.Generator().manual_seed(2)
    large = torch.randn(600, 500, generator=rng) * torch.logspace(-3, 2, 600)[:, None]
    state = {"0.weight": large, "0.bias": torch.randn(600, generator=rng)}
    kept = runs.packed(state)
    assert kept["0.weight"].dtype == torch.int8
    assert kept["0.bias"].dtype == torch.float16
    back = runs.unpacked(kept)
    assert back.keys() == state.keys()
    error = (back["0.weight"] - large).abs() / large.abs().amax(1, keepdim=True)
    assert 1 / 600 < error.max() <= 1 / 253  # half a step of 127 either way
    assert not runs.packed({"w": torch.zeros(600, 500)})["w"].any()

"""The pages without a browser: train, then generate, explore, compare and watch; bad inputs."""

import io

import numpy as np
import pytest
from PIL import Image

from helpers import experiments, runs
from helpers.app import jobs, limits
from helpers.app.pages import compare, generate, navigation, train, watch

from .support import a_job, digits, page, page_of, quick, said, trained, written_down

assert quick  # a fixture

SMALL = {
    "gan-fast": {"epochs": 2, "batch": 100, "generator": "8", "discriminator": "8"},
    "vae-full": {"epochs": 2, "batch": 100, "encoder": "8", "decoder": "8"},
    "vae-digits-8": {"epochs": 2, "batch": 10, "encoder": "2 4", "decoder": "4 2", "images": 40},
}


# -------------------------------------------------------------------------------------- train


@pytest.mark.parametrize(
    ("target", "recipe"),
    [("gmm5", "gan-fast"), ("gmm5", "vae-full"), ("digits", "vae-digits-8")],
)
def test_train_then_generate(quick, target, recipe):
    at = page()
    at.segmented_control[0].set_value(target).run()
    at.segmented_control[1].set_value(recipe[:3]).run()
    for name, value in SMALL[recipe].items():
        kind = at.text_input if isinstance(value, str) else at.number_input
        field = next(f for f in kind if f.label == name)
        field.set_value(value)
    at.toggle[0].set_value(False).run()
    assert not at.exception
    assert said(at) == ["No training is shown: start one on the left."]
    at.button(key="start").click().run()
    assert not at.exception
    assert said(at) == []
    (job,) = jobs.listed()
    assert at.query_params["run"] == job
    assert jobs.read(job).state == "complete"
    at.switch_page("generate.py").run()
    assert not at.exception
    assert at.selectbox(key="select run").value == f"app/{job}"
    labels = [button.label for button in at.get("download_button")]
    assert labels == ["Samples (.npy)", "Picture (.png)"]


@pytest.mark.parametrize(
    ("kind", "name", "value", "complaint"),
    [
        ("number_input", "epochs", 0, "epochs = 0: must be at least 1"),
        ("number_input", "epochs", 10**9, "epochs = 1000000000: must be at most 10000 here"),
        ("number_input", "learning_rate", -1.0, "learning_rate = -1.0: must be from"),
        ("number_input", "latent", 10**15, "latent = 1000000000000000: must be from 1 to 10000"),
        ("number_input", "penalty", 1.0, "give both or neither"),
        ("text_input", "generator", "many", "generator = 'many': give whole numbers"),
        ("text_input", "discriminator", "9999999", "discriminator = 9999999: must be from 1 to"),
        ("text_input", "discriminator", "<script>", "give whole numbers"),
    ],
)
def test_a_bad_number_is_told_and_nothing_starts(kind, name, value, complaint):
    app = page()
    getattr(app, kind)(key=f"gan-fast {name}").set_value(value).run()
    assert not app.exception
    assert complaint in said(app)[0]
    assert app.button(key="start").disabled
    assert len(app.number_input) > 5  # the other fields stay


def test_what_cannot_be_trained_after_all_is_told(quick):
    app = page()
    app.number_input(key="gan-fast batch").set_value(90_000).run()
    app.button(key="start").click().run()
    assert not app.exception
    assert said(app) == ["batch 90000 exceeds the 600 training points; lower it"]


@pytest.mark.parametrize("name", ["gan-01234567", "../../../etc/passwd", "<b>"])
def test_an_address_that_names_no_training_is_told(name):
    app = page(run=name)
    assert len(said(app)) == 1
    assert "choose one from the list" in said(app)[0]


def test_a_reload_finds_the_training_again(quick):
    job = trained(a_job())
    app = page(run=job)
    assert said(app) == []
    assert any(job in text.value for text in app.markdown)


def test_a_damaged_training_is_told(quick):
    job = trained(a_job())
    (jobs.folder(job) / "status.json").write_text("{", encoding="utf-8")
    assert said(page(run=job)) == ["its status.json is damaged; train it again"]


def test_a_running_one_can_be_stopped():
    job = written_down(a_job())
    app = page(run=job)
    app.button(key="stop").click().run()
    assert not app.exception
    assert (jobs.folder(job) / "stop").exists()


def test_two_tabs_do_not_disturb_each_other(quick):
    first, second = page(), page()
    first.number_input(key="gan-fast epochs").set_value(1)
    first.number_input(key="gan-fast batch").set_value(100)
    first.run().button(key="start").click().run()
    assert said(second.run()) == ["No training is shown: start one on the left."]
    assert said(first.run()) == []


def test_every_choice_begins_with_a_recipe_that_fits():
    for target in limits.TARGETS:
        for family in train.SHOWN:
            recipe = experiments.named(train.FIRST[target, family])
            assert train.fits(recipe, target)
            assert recipe.family == family
            limits.check(jobs.Job(recipe.name, target=target))


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (99, "99 s"), (600, "10 min"), (7_200, "2.0 h")]
)
def test_times_are_told_in_words(seconds, words):
    assert train.duration(seconds) == words


@pytest.mark.parametrize("name", [name for name in navigation.PAGES if name != "train"])
def test_before_anything_is_chosen_a_page_leads_to_training(name):
    at = page(name)
    assert at.title[0].value == navigation.PAGES[name][0]
    if name == "watch":
        return  # the project's own films are there
    assert said(at)[0].startswith("No run is chosen yet")
    next(button for button in at.button if button.label == "Train one").click().run()
    assert not at.exception
    assert at.title[0].value == "Train"


# ----------------------------------------------------------------------------------- generate


def test_numbers_and_perturbations_of_a_draw(quick):
    app = page_of("generate", trained(a_job()))
    for n in (0, -5, 10**9):
        app.number_input[0].set_value(n).run()
        assert not app.exception
        assert said(app) == [f"{n} samples: must be from 1 to 100000"]
    app.number_input[0].set_value(100)
    assert not app.slider
    app.selectbox[1].set_value("scale").run()
    assert app.slider[0].label == "strength: factor"
    app.slider[0].set_value(4.0).run()
    assert not app.exception
    assert said(app) == []


def test_a_damaged_run_is_told(quick):
    job = trained(a_job())
    app = page_of("generate", job)
    path = runs.file_of(jobs.folder(job) / "seed5")
    runs.pack(path, {"record.json": b"{}", "weights.pt": b""})
    app.run()
    assert not app.exception
    assert "not a run's record" in said(app)[0]


def test_samples_come_as_a_file_that_numpy_reads():
    points = np.arange(6.0).reshape(3, 2)
    assert np.array_equal(np.load(io.BytesIO(generate.npy(points))), points)


# ------------------------------------------------------------------------------------ explore


@pytest.mark.parametrize(
    ("job", "parts"),
    [(a_job(), 2), (a_job(latent=4), 2), (a_job("vae-latent-1"), 3), (digits(), 3)],
    ids=["gan", "wide", "thin", "images"],
)
def test_every_kind_of_run_can_be_explored(quick, job, parts):
    at = page_of("explore", trained(job))
    options = at.segmented_control[0].options
    assert len(options) == parts
    for part in options[1:]:
        at.segmented_control[0].set_value(part).run()
        assert not at.exception
        assert said(at) == []


def test_a_code_can_be_moved(quick):
    at = page_of("explore", trained(a_job()))
    before = next(text.value for text in at.markdown if text.value.startswith("decodes"))
    at.slider(key="z z₁").set_value(3.5).run()
    assert not at.exception
    assert before not in [text.value for text in at.markdown]


def test_a_walk_may_begin_at_zero(quick):
    at = page_of("explore", trained(a_job()), part="Walk between two")
    for label in ("z₁", "z₂"):
        at.slider(key=f"from {label}").set_value(0.0)
    at.run()
    assert not at.exception
    assert said(at) == []


def test_a_point_that_cannot_be_encoded_is_told(quick):
    at = page_of("explore", trained(a_job("vae")), part="Encode")
    assert said(at) == []
    at.number_input(key="x₁").set_value(1e9).run()
    assert not at.exception
    assert said(at) == ["x: give two numbers, neither beyond a million"]


def png():
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((50, 40), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def test_an_upload_is_encoded_or_refused(quick):
    at = page_of("explore", trained(digits()), part="Encode")
    refused = ["not an image, or cut short; send a JPEG or PNG"]
    for raw, message in [(png(), []), (b"text", refused)]:
        at.file_uploader[0].set_value(("mine.png", raw, "image/png")).run()
        assert not at.exception
        assert said(at) == message


# ------------------------------------------------------------------------------------ compare


def compared(*names):
    at = page("compare")
    for side, name in zip(("left", "right"), names, strict=True):
        at.selectbox(key=f"select {side}").set_value(f"app/{name}")
    at.run()
    assert not at.exception
    return at


def test_two_runs_of_a_target_are_scored(quick, monkeypatch):
    monkeypatch.setattr(compare, "SCORED", 200)
    columns = ("value", "inside"), ("mean", "low", "high")
    at = compared(trained(a_job()), trained(a_job("vae")))
    assert said(at) == []
    card = compare.pd.DataFrame(
        {
            **{(side, part): [0.5] for side in ("left", "right") for part in columns[0]},
            **{("truth", part): [0.98765] for part in columns[1]},
        },
        index=["within 3σ"],
    )
    card["left", "inside"], card["right", "inside"] = [False], [True]
    monkeypatch.setattr(compare.scorecard, "scorecard", lambda *given: card)
    next(button for button in at.button if button.label == "Score both").click().run()
    assert not at.exception
    assert at.dataframe[0].value.iloc[0].tolist() == [
        *("within 3σ", "0.5 ✗", "0.5 ✓", "0.9877", "0.9877 to 0.9877", "closer to truth")
    ]


def test_image_runs_keep_their_scores_and_two_targets_are_not_compared(quick):
    images, plane = trained(digits()), trained(a_job())
    at = compared(images, images)
    assert said(at) == []
    assert "held-out images" in at.dataframe[0].value
    assert "their scores are of different targets" in said(compared(images, plane))[0]


# -------------------------------------------------------------------------------------- watch


def test_the_projects_films_are_there():
    at = page("watch")
    assert at.segmented_control[0].options[-1] == watch.OWN
    assert at.get("video")


def test_a_film_is_drawn_once_from_a_run_trained_here(quick):
    job = trained(a_job())
    at = page_of("watch", job)
    assert said(at) == []
    path = jobs.folder(job) / "film.mp4"
    made = path.stat().st_mtime_ns
    at.run()
    assert path.stat().st_mtime_ns == made


def test_damaged_snapshots_are_told(quick):
    job = trained(a_job())
    (jobs.folder(job) / "seed5.frames.zip").write_bytes(b"0")
    assert "seed5.frames.zip: damaged" in said(page_of("watch", job))[0]

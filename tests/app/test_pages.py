"""The pages without a browser: train, then generate, explore, compare and watch; bad inputs."""

import io

import numpy as np
import pytest
from PIL import Image

from helpers import experiments, files, targets
from helpers.app import jobs, limits, own
from helpers.app.pages import compare, navigation, train, watch

from .support import a_job, digits, page, page_of, quick, said, trained, written_down

assert quick  # a fixture

# -------------------------------------------------------------------------------------- train


GAN = {"epochs": 2, "batch": 100, "generator": "8", "discriminator": "8"}
DIGITS = {"epochs": 2, "batch": 10, "encoder": "2 4", "decoder": "4 2", "images": 40}


@pytest.mark.parametrize(
    ("target", "family", "small"), [("gmm5", "gan", GAN), ("digits", "vae", DIGITS)]
)
def test_train_then_generate(quick, target, family, small):
    at = page()
    at.segmented_control[0].set_value(target).run()
    at.segmented_control[1].set_value(family).run()
    for name, value in small.items():
        kind = at.text_input if isinstance(value, str) else at.number_input
        next(field for field in kind if field.label == name).set_value(value)
    compiles = [toggle for toggle in at.toggle if toggle.label == "Compile the steps"]
    assert len(compiles) == (target == "gmm5")  # images gain nothing by compiling
    for toggle in compiles:
        toggle.set_value(False).run()
    at.run()
    assert not at.exception
    assert said(at) == ["Press **Train** to watch a model learn this picture."]
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
        ("number_input", "epochs", 0, "epochs = 0: must be from 1 to 10,000"),
        ("number_input", "latent", 10**15, "latent = 1000000000000000: must be from 1 to 1,000"),
        ("number_input", "penalty", 1.0, "give both or neither"),
        ("text_input", "discriminator", "<script>", "give whole numbers"),
    ],
)
def test_a_bad_number_is_told_and_nothing_starts(kind, name, value, complaint):
    app = page()
    getattr(app, kind)(key=f"form gan-fast {name}").set_value(value).run()
    assert not app.exception
    assert complaint in said(app)[0]
    assert app.button(key="start").disabled
    assert len(app.number_input) > 5  # the other fields stay


def test_a_form_keeps_what_was_set_on_other_pages_in_the_other_family_and_after_a_reload():
    app = page()
    app.number_input(key="form gan-fast epochs").set_value(17).run()
    app.segmented_control[1].set_value("vae").run()
    app.text_input(key="form vae-full encoder").set_value("16 8").run()
    app.switch_page("generate.py").run()
    app.switch_page("train.py").run()
    for seen in (app, page()):  # the second is as after a reload
        assert not seen.exception
        assert seen.segmented_control[1].value == "vae"
        assert seen.text_input(key="form vae-full encoder").value == "16 8"
        seen.segmented_control[1].set_value("gan").run()
        assert seen.number_input(key="form gan-fast epochs").value == 17
        seen.segmented_control[1].set_value("vae").run()


@pytest.mark.parametrize("name", ["gan-01234567", "../../../etc/passwd", "<b>"])
def test_an_address_that_names_no_training_is_told(name):
    app = page(run=name)
    assert len(said(app)) == 1
    assert "choose one from the list" in said(app)[0]


def test_a_reload_finds_the_training_again_or_tells_that_it_is_damaged(quick):
    job = trained(a_job())
    app = page(run=job)
    assert said(app) == []
    assert any(jobs.title(job) in text.value for text in app.markdown)
    (jobs.folder(job) / "status.json").write_text("{", encoding="utf-8")
    assert said(page(run=job)) == ["its status.json is damaged; train it again"]


def test_every_choice_begins_with_a_recipe_that_fits():
    for target in limits.targets():
        for family in train.SHOWN:
            for name in train.PRESETS[train._kind(target), family]:
                recipe = experiments.named(name)
                assert train.fits(recipe, target)
                assert recipe.family == family
                limits.check(jobs.Job(recipe.name, target=target))


@pytest.mark.parametrize("name", [name for name in navigation.PAGES if name != "train"])
def test_before_anything_is_chosen_a_page_leads_to_training(name):
    at = page(name)
    assert at.title[0].value == navigation.PAGES[name][0]
    if name == "watch":  # the project's own films are there
        assert at.segmented_control[0].options[-1] == watch.OWN
        assert {"five Gaussians · VAE", "digits · GAN"} <= set(at.segmented_control[0].options)
        assert at.get("video")
        return
    assert said(at)[0] == "Nothing trained yet. Train a model, or pick one of the project's."
    next(button for button in at.button if button.label == "Train one").click().run()
    assert not at.exception
    assert at.title[0].value == "Train"


def test_pause_and_one_step_hold_after_a_reload(quick):
    job = written_down(a_job())
    jobs.pace(job, "one step")
    at = page(run=job)
    speed = next(box for box in at.segmented_control if box.label == "Speed")
    assert speed.value == "pause"
    at.button(key="one step").click().run()
    assert jobs.paced(jobs.folder(job)) == "one step"
    speed = next(box for box in at.segmented_control if box.label == "Speed")
    speed.set_value("full speed").run()
    assert not at.exception
    assert jobs.paced(jobs.folder(job)) == "full speed"


def test_the_run_trained_last_is_the_one_that_other_pages_show(quick):
    at = page()
    for _ in range(2):
        for name, value in GAN.items():
            kind = at.text_input if isinstance(value, str) else at.number_input
            next(field for field in kind if field.label == name).set_value(value)
        at.session_state["started"] = -100.0
        at.run().button(key="start").click().run()
        newest = jobs.listed()[0]
        at.switch_page("generate.py").run()
        assert not at.exception
        assert at.selectbox(key="select run").value == f"app/{newest}"
        at.switch_page("train.py").run()
    assert len(jobs.listed()) == 2


def test_words_from_outside_do_not_become_a_picture(quick):
    (told,) = said(page(run="![x](https://evil.example/x.png)"))
    assert "![x]" not in told


def test_a_training_is_renamed_and_deleted_but_not_while_it_runs(quick):
    job = trained(a_job())
    at = page(run=job)
    assert "GAN · five Gaussians · 2 epochs" in at.markdown[1].value
    at.text_input(key=f"title {job}").set_value("my first  GAN").run()
    at.button(key="rename").click().run()
    assert any("**my first GAN · complete**" in text.value for text in at.markdown)
    other = trained(a_job())
    with pytest.raises(limits.BadJob, match="another training has it; choose another"):
        jobs.rename(other, "My first gan")
    jobs.delete(other)
    busy = written_down(a_job())
    with pytest.raises(limits.BadJob, match="it is being trained; stop it first"):
        jobs.delete(busy)
    at.button(key="delete").click().run()
    assert not at.exception
    assert jobs.listed() == [busy]


def test_a_training_can_be_put_aside(quick):
    at = page(run=trained(a_job()))
    at.button(key="close").click().run()
    assert any("Press **Train**" in text for text in said(at))
    assert "run" not in at.query_params


def test_a_training_that_is_held_says_so_and_promises_no_time(quick):
    job = written_down(a_job())
    status = jobs.Status("training", epoch=1, epochs=2, seconds=9.0)
    files.write_json(jobs.folder(job) / "status.json", vars(status))
    told = []
    for pace in jobs.PACES:
        jobs.pace(job, pace)
        told.append(train._how_far(jobs.read(job), pace))
    assert told == [
        "Training · epoch 1 of 2, about 9 s left",
        "Training · epoch 1 of 2",
        "Paused · epoch 1 of 2",
        "Paused · epoch 1 of 2",
    ]


def test_a_folder_that_cannot_be_learned_is_told_at_once(quick, tmp_path):
    files.write_json(files.output("build", "app", "form.json"), {"form target": "open"})
    at = page()  # as it was left, before any family was chosen
    assert not at.error
    for given, told in (
        ("nowhere", "'nowhere': no such folder; give its whole path"),
        (str(tmp_path), f"{tmp_path}: 0 images; 60 are needed, some to score by"),
    ):
        at.text_input(key="form folder").set_value(given).run()
        assert any(told in line for line in said(at))
        assert not [b for b in at.button if b.key == "start"]


def test_images_in_a_linked_folder_count_as_they_are_read(tmp_path):
    for place, count in (("album", 59), ("elsewhere", 1), ("album/.hidden", 5)):
        (tmp_path / place).mkdir()
        for i in range(count):
            (tmp_path / place / f"{i}.PNG").touch()
    album = tmp_path / "album"
    with pytest.raises(limits.BadJob, match="59 images; 60 are needed"):
        limits.check_folder(str(album))
    (album / "more").symlink_to(tmp_path / "elsewhere")
    limits.check_folder(str(album))


def test_a_second_run_is_asked_for_where_a_first_is_shown(quick):
    job = trained(a_job())
    assert "Choose a second run to set beside the first." in said(page_of("compare", job))
    newer = trained(a_job())
    at = page_of("compare", newer)
    assert at.selectbox(key="select right").value == f"app/{job}"


def test_a_drawn_target_is_kept_and_learned(quick):
    at = page()
    at.segmented_control[0].set_value(train.DRAW).run()
    for x, y in ((-2.0, 1.0), (2.0, 1.0), (0.0, 9.0)):  # the last lies beyond the plane
        at.number_input(key="own x₁").set_value(x)
        at.number_input(key="own x₂").set_value(min(y, own.REACH))
        at.run().button(key="own add").click().run()
    at.button(key="own undo").click().run()
    at.text_input(key="own name").set_value("my pair").run()
    at.button(key="own keep").click().run()
    assert not at.exception
    (path,) = limits.own_targets()
    assert targets.named(path).means.tolist() == [[-2.0, 1.0], [2.0, 1.0]]
    assert at.segmented_control[0].value == path
    for name, value in GAN.items():
        kind = at.text_input if isinstance(value, str) else at.number_input
        next(field for field in kind if field.label == name).set_value(value)
    at.run().button(key="start").click().run()
    assert not at.exception
    (job,) = jobs.listed()
    assert jobs.read(job).state == "complete"
    assert "GAN · my pair · 2 epochs" in jobs.title(job)


def test_a_mixture_is_read_from_a_file_or_refused(quick):
    for given, message in [
        ({"weights": [1.0]}, "no 'means'"),
        (own.definition("gmm5", [(0.0, 0.0, -0.0)]), "not symmetric positive"),
    ]:
        with pytest.raises(targets.BadTarget, match=message):
            own.save(given)
    pictures = {"kind": "images", "source": "faces", "size": 64, "most": 100}
    with pytest.raises(limits.BadJob, match="no mixture of Gaussians"):
        own.save(pictures)
    for name in ("five Gaussians", "GMM5", "../up", ""):
        with pytest.raises(limits.BadJob, match=r"choose another|give 1 to 30 letters"):
            own.save(own.definition("x", [(0.0, 0.0, 0.5)]), name or "_/")
    assert not limits.own_targets()
    path = own.save(own.definition("one", [(0.0, 0.0, 0.5)]))
    assert limits.label(str(path)) == "one"
    with pytest.raises(limits.BadJob, match="there is a target of that name"):
        own.save(own.definition("One", [(0.0, 0.0, 0.5)]))  # the same file on some machines
    at = page()
    at.segmented_control(key="form target").set_value(str(path)).run()
    next(button for button in at.button if button.label == "Forget this target").click().run()
    assert not at.exception
    assert not limits.own_targets()
    assert at.segmented_control(key="form target").value == "gmm5"


# ----------------------------------------------------------------------------------- generate


def test_numbers_and_perturbations_of_a_draw(quick):
    app = page_of("generate", trained(a_job()))
    for n in (0, -5, 10**9):
        app.number_input[0].set_value(n).run()
        assert not app.exception
        assert said(app) == [f"{n} samples: must be from 1 to 100,000"]
    app.number_input[0].set_value(100)
    assert not app.slider
    app.selectbox[1].set_value("scale").run()
    assert app.slider[0].label == "factor"
    app.slider[0].set_value(4.0).run()
    assert not app.exception
    assert said(app) == []


def test_to_draw_again_is_to_draw_from_another_seed(quick):
    app = page_of("generate", trained(a_job()))
    assert app.number_input[1].value == 0
    app.button(key="generate").click().run()
    assert not app.exception
    assert app.number_input[1].value == 1


def test_the_film_of_a_run_is_the_run_that_was_drawn_from(quick):
    older, newer = trained(a_job("vae")), trained(a_job())
    at = page_of("generate", newer)
    at.selectbox(key="select run").set_value(f"app/{older}").run()
    next(button for button in at.button if button.label == "Film").click().run()
    assert not at.exception
    assert at.title[0].value == "Watch"
    assert at.selectbox(key="select run").value == f"app/{older}"
    at = page_of("generate", newer)
    at.selectbox(key="select run").set_value("gan-mixture@ring8/seed0").run()  # without frames
    assert "Film" not in [button.label for button in at.button]


def test_a_page_says_that_what_it_could_show_is_being_trained(quick):
    at = page_of("generate", written_down(a_job()))
    assert "GAN · five Gaussians · 2 epochs" in said(at)[0]
    assert said(at)[0].endswith("this page opens after its first epoch (0 so far).")


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


def test_a_code_is_moved_a_walk_begins_at_zero_and_a_point_is_too_far(quick):
    job = trained(a_job("vae"))
    at = page_of("explore", job)
    before = next(text.value for text in at.markdown if text.value.startswith("decodes"))
    at.slider(key="code z1").set_value(3.5).run()
    assert not at.exception
    assert before not in [text.value for text in at.markdown]
    at = page_of("explore", job, part="Walk between two")
    for label in ("z1", "z2"):
        at.slider(key=f"from {label}").set_value(0.0)
    assert said(at.run()) == []
    at.session_state["to clicked"] = [1.0, -2.0]
    at.run()
    assert [at.slider(key=f"to {label}").value for label in ("z1", "z2")] == [1.0, -2.0]
    at = page_of("explore", job, part="Encode")
    at.number_input(key="x₁").set_value(1e9).run()
    assert not at.exception
    assert said(at) == ["x: give two numbers, neither beyond a million"]


def test_an_upload_is_encoded_or_refused(quick):
    at = page_of("explore", trained(digits()), part="Encode", encode="an upload")
    assert not at.get("imgs")  # nothing takes the place of what is not there yet
    png = io.BytesIO()
    Image.fromarray(np.zeros((50, 40), np.uint8)).save(png, "PNG")
    refused = ["not an image, cut short or vast; send a JPEG or PNG"]
    for raw, message in [(png.getvalue(), []), (b"text", refused)]:
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
    at = compared(trained(a_job()), trained(a_job("vae")))
    assert said(at) == []
    sides = {"left": False, "right": True}
    values = {(side, "value"): [0.5] for side in sides}
    values |= {(side, "inside"): [inside] for side, inside in sides.items()}
    values |= {("truth", part): [0.98765] for part in ("mean", "low", "high")}
    card = compare.pd.DataFrame(values, index=["within 3σ"])
    monkeypatch.setattr(compare.scorecard, "scorecard", lambda *given: card)
    next(button for button in at.button if button.label == "Score both").click().run()
    assert not at.exception
    assert at.dataframe[0].value.iloc[0].tolist() == [
        *("within 3σ", "0.5 ✗", "0.5 ✓", "0.9877", "0.9877 to 0.9877", "closer to truth")
    ]


def test_image_runs_keep_their_scores_and_two_targets_are_not_compared(quick):
    images, plane = trained(digits()), trained(a_job())
    fewer = trained(jobs.replace(digits(), images=36))
    at = compared(images, fewer)
    assert "different numbers of images" in said(at)[0]
    assert "training images" in at.dataframe[0].value
    assert said(compared(images, trained(digits()))) == []
    assert "their scores are of different targets" in said(compared(images, plane))[0]


# -------------------------------------------------------------------------------------- watch


def test_a_film_is_drawn_once_from_a_run_trained_here(quick):
    job = trained(a_job())
    at = page_of("watch", job)
    assert said(at) == []
    path = jobs.folder(job) / "film.mp4"
    made = path.stat().st_mtime_ns
    at.run()
    assert path.stat().st_mtime_ns == made

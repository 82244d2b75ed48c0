"""Train: choose what to learn and how, and watch it being learned."""

import dataclasses
import json
import time
import zipfile
from pathlib import Path

import streamlit as st

from helpers import experiments, files, recipes
from helpers.app import forms, jobs, limits, own

SHOWN = {  # at once; what else a recipe has is folded away
    "vae": ("epochs", "objective", "encoder", "decoder", "latent"),
    "gan": ("epochs", "objective", "generator", "discriminator", "latent"),
}
PRESETS = {  # of a kind of target and a family: the first is set at first, the rest are near it
    ("plane", "vae"): ("vae-full", "vae-fast", "vae", "autoencoder"),
    ("plane", "gan"): ("gan-fast", "gan", "gan-lsgan", "gan-wgan-gp"),
    ("modes", "vae"): ("vae-mixture", "vae-mixture-wide"),
    ("modes", "gan"): ("gan-mixture", "gan-mixture-wide"),
    ("digits", "vae"): ("vae-digits-8", "vae-digits-2"),
    ("digits", "gan"): ("gan-digits",),
    ("colour", "vae"): ("vae-colour-beta-1", "autoencoder-colour-128"),
    ("colour", "gan"): ("gan-colour", "lsgan-colour", "wgan-gp-colour"),
    ("faces", "vae"): ("vae-faces", "vae-faces-wide", "autoencoder-faces"),
    ("faces", "gan"): ("gan-faces",),
}
MODES = ("ring8", "grid25")  # narrow modes ask for recipes of their own
DRAW, OPEN = "draw", "open"  # a target of one's own, a folder of images
OTHERS = {DRAW: "draw my own …", OPEN: "a folder of images …"}
IMAGES, PASSES = 1_000, 40  # to train on at first, so often at least: few are drawn soon
NOT_FOR = {True: ("full",), False: ("bernoulli",)}  # a variance, on images and on the plane
FAMILIES = (
    "A **VAE** learns to encode each point as a small cloud of codes and to decode it again; new "
    "points are decoded from noise. In a **GAN** a generator turns noise into points while a "
    "discriminator learns to tell them from real ones."
)
PLAIN = 4  # times as long, without compiling
AROUND = 6.0  # seconds of loading before, and of scoring after
WATCHED = 0.03  # seconds an epoch of scoring and drawing
POINTS = {"digits": 36_000, "colour": 45_000, "faces": 7_300}  # in an epoch of saved runs
DRAWN = ("avatars", "emoji", "faces")
WORTH = 120  # seconds of a training from which on compiling pays
REFRESH = 0.5  # seconds
AGAIN = 2.0  # seconds in which a second click is one too many
SQUARE = 520  # pixels of the networks' picture
ALTS = ("what the model makes of fixed noise", "the networks over the plane", "losses by epoch")
ARROWS = "Arrows: where the discriminator pulls the generator's samples."
STATES = {
    "starting": "Starting (about 5 s)",
    "training": "Training",
    "stopping": "Stopping",
    "complete": "Complete",
    "stopped": "Stopped early, what was learned is kept",
    "failed": "Failed",
}


def show() -> None:
    """The page."""
    forms.head(
        "Train",
        "Choose what to learn and how, press **Train**, and watch it being learned. A training "
        "goes on when this page is closed or reloaded.",
    )
    left, right = st.columns([2, 3], gap="large")
    with left:
        target = _target()
        if target == DRAW:
            own.fields()
        elif target:
            _start_button(_job(target))
    with right, forms.one_line():
        if target == DRAW:
            own.plane()
        else:
            _looked_at(target)
    with forms.one_line():
        if not any(jobs.read(name).active for name in jobs.listed()):
            jobs.prepare()  # last, and not beside a training: both would wait


def _target() -> str:
    """What is to be learned: a name, a file or a folder; "" while there is none."""
    labels = limits.targets() | OTHERS
    key = forms.kept("target", "gmm5", list(labels))
    if made := st.session_state.pop("chosen target", None):
        st.session_state[key] = made
        _close()  # so that it is seen
    words = {"options": list(labels), "format_func": labels.get, "key": key}
    chosen = st.segmented_control("What to learn", required=True, wrap=True, **words)
    if chosen in limits.own_targets() and st.button("Forget this target", type="tertiary"):
        Path(chosen).unlink(missing_ok=True)  # runs that learned it stay
        st.rerun()
    if chosen != OPEN:
        return chosen
    folder = st.text_input("Folder", key=forms.kept("folder", ""), placeholder="its whole path")
    if not folder:
        st.info(f"Give the whole path of a folder of {limits.FEWEST} images or more.")
        return ""
    with forms.one_line():
        limits.check_folder(folder)
        return folder
    return ""


def _job(target: str) -> jobs.Job | None:
    """What the form asks for; None, and a line that says why, where that cannot be trained."""
    kinds = {"options": list(SHOWN), "format_func": str.upper}
    kinds["key"] = forms.kept("family", "gan", kinds["options"])
    family = st.segmented_control("Family", required=True, **kinds)
    base, pictured = _recipe(target, family), limits.pictures(target)
    if pictured and pictured.places == 1:
        base = dataclasses.replace(base, epochs=max(base.epochs, PASSES))
    values, extras, mistakes = {}, {}, []
    columns = _numbers(base, SHOWN[family], (), values, mistakes)
    with columns[1], forms.one_line(mistakes):
        extras["seed"] = forms.whole("seed", 5, "Of weights and noise.")
    if pictured:
        with columns[0], forms.one_line(mistakes):
            about = "For training, at the most. Few are learned sooner, and by heart."
            extras["images"] = forms.whole("images", IMAGES, about)
    with st.expander("Advanced settings"):
        _more(base, target, values, extras, mistakes)
    job = jobs.Job(base.name, values, target, **extras)
    with forms.one_line(mistakes):
        limits.check(job)
    if mistakes:
        forms.complain(mistakes[0])
        return None
    st.caption(_estimate(job))
    return job


def _numbers(base: recipes.Recipe, names, without, values: dict, mistakes: list[str]) -> list:
    """Fields of a recipe in two columns, which are returned; what they hold goes to `values`."""
    columns = st.columns(2)
    for place, name in enumerate(names):
        with columns[place % 2], forms.one_line(mistakes):
            values[name] = forms.number(base, name, without)
    return columns


def _more(base: recipes.Recipe, target: str, values, extras, mistakes) -> None:
    """What is seldom changed, into `values` of the recipe and `extras` around it."""
    pictured = limits.pictures(target) is not None
    rest = [name for name in forms.tunable(base) if name not in SHOWN[base.family]]
    _numbers(base, rest, NOT_FOR[pictured], values, mistakes)
    if pictured:  # nothing is gained where convolutions take the time
        extras["compiled"] = False
        return
    about = "Several times faster, after up to half a minute in which no new picture comes."
    long = (_an_epoch(base.name) or 0) * PLAIN * base.epochs > WORTH
    key = forms.kept(f"compiled {base.name}", long)
    extras["compiled"] = st.toggle("Compile the steps", key=key, help=about)


def _recipe(target: str, family: str) -> recipes.Recipe:
    first = PRESETS[_kind(target), family]
    every = st.session_state.get(all_key := f"{forms.KEPT}all {family}")
    more = [r.name for r in experiments.RECIPES.values() if r.family == family and fits(r, target)]
    names = [*first, *(name for name in more if name not in first)] if every else list(first)
    name = st.selectbox(
        "Preset",
        names,
        format_func=lambda name: f"{name}: {experiments.named(name).idea}",
        key=forms.kept(f"recipe {target} {family}", names[0], names),
    )
    st.toggle("All presets", key=forms.kept(all_key.removeprefix(forms.KEPT), False))
    return experiments.named(name)


def _kind(target: str) -> str:
    """What kind of target it is, as PRESETS has them."""
    if seen := limits.pictures(target):
        return seen.kind
    return "modes" if target in MODES else "plane"


def fits(recipe: recipes.Recipe, target: str) -> bool:
    """Whether a recipe can be trained on a target as it is."""
    if recipe.family == "gan" and recipe.start:
        return False  # it needs a VAE of the same target first
    seen = limits.pictures(target)
    return f"-{seen.kind}" in recipe.name if seen else recipe.domain == "plane"


def _estimate(job: jobs.Job) -> str:
    """How long it may take, by the saved run of the recipe."""
    each = _an_epoch(job.base)
    if each is None:
        return "How long it takes is told after the first epoch."
    if seen := limits.pictures(job.target):
        each *= min(job.images, seen.points) * seen.places / POINTS[seen.kind]
    elif not job.compiled:
        each *= PLAIN
    whole = AROUND + (each + WATCHED) * job.recipe.epochs
    drawn = ", and as long as drawing takes, once" if job.target in DRAWN else ""
    return f"About {duration(whole)}{drawn}, if the sizes stay the recipe's."


@st.cache_data(max_entries=64)
def _an_epoch(base: str) -> float | None:
    """Seconds that an epoch of a recipe's saved run took; None where there is no such run."""
    roots = files.written("data", "runs"), files.REPOSITORY / "data" / "runs"
    found = (path for root in roots for path in root.glob(f"{base}*/seed5.zip"))
    same = (path for path in found if path.parent.name.partition("@")[0] == base)
    try:
        with zipfile.ZipFile(next(same)) as archive:
            seconds = json.loads(archive.read("record.json"))["history"]["seconds"]
    except Exception:  # none yet, or damaged, which its own page tells
        return None
    return seconds[-1] / max(1, len(seconds) - 1)


def duration(seconds: float) -> str:
    """Seconds in words."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5_400 else f"{seconds / 3600:.1f} h"


def _start_button(job: jobs.Job | None) -> None:
    look = {"type": "primary", "icon": ":material/play_arrow:", "disabled": job is None}
    again = time.monotonic() - st.session_state.get("started", -AGAIN) < AGAIN
    if st.button("Train", key="start", **look) and job and not again:
        st.session_state["started"] = time.monotonic()
        with forms.one_line():
            with st.spinner("Starting …"):
                _look_at(jobs.start(job))
            st.rerun()


# ------------------------------------------------------------------- the training looked at


def _look_at(name: str) -> None:
    """Show a training here, and its run first on the other pages."""
    if st.session_state.get("job") != name:
        st.session_state["chosen run"] = f"app/{name}"
    st.session_state["job"] = name
    st.query_params["run"] = name


def _looked_at(target: str) -> None:
    """The training that the address or the session names, live while it lasts."""
    name = st.query_params.get("run") or st.session_state.get("job")
    head, aside = st.columns([3, 1], vertical_alignment="center")
    with aside:
        _others(name)
        if name:
            st.button("Close", key="close", on_click=_close, width="stretch")
    if not name:
        _opening(head, target)
        return
    status = jobs.read(name)
    _look_at(name)
    head.markdown(f"**{forms.plain(jobs.title(name))}**")
    live = st.fragment(_live, run_every=REFRESH if status.active else None)
    live(name, status.active)
    if not status.active:
        _keep_or_drop(name)


def _opening(head, target: str) -> None:
    """Before anything is trained: what is to be learned, what the families do, a film."""
    head.info("Press **Train** to watch a model learn this picture.")
    picture, about = st.columns(2)
    with about:
        st.markdown(FAMILIES)
        family = st.session_state.get(f"{forms.KEPT}family", "gan")  # none before a target
        if (film := files.REPOSITORY / "media" / f"{family}.mp4").exists():
            st.video(str(film), loop=True, autoplay=True, muted=True)
            st.caption(f"A {family.upper()} that learns five Gaussians.")
    with picture:  # last: PyTorch takes seconds to load
        if target in DRAWN:
            st.caption(f"The {limits.label(target)} are drawn when they are first trained on.")
        elif target:
            alt = f"points of the target {limits.label(target)}"
            forms.picture(_picture(target, _changed(target)), alt)


@st.cache_data(max_entries=8, show_spinner="Drawing what is to be learned …")
def _picture(name: str, changed: float) -> bytes:
    """What a model is to learn: points of a target, or images; drawn anew when a file changed."""
    from helpers import targets  # they bring PyTorch: not for the form to wait for
    from helpers.app import render

    target = targets.named(name)
    seen = target.draws().train.points[:2_000]
    return render.samples(target, seen[:64] if limits.pictures(name) else seen)


def _changed(target: str) -> float:
    path = Path(target)
    return path.stat().st_mtime if path.exists() else 0.0


def _others(name: str | None) -> None:
    others = [other for other in jobs.listed() if other != name][:30]
    if others:
        with st.popover("Earlier trainings", width="stretch"):
            for other in others:
                if st.button(forms.plain(jobs.title(other)), key=f"look {other}", type="tertiary"):
                    _look_at(other)
                    st.rerun()


def _keep_or_drop(name: str) -> None:
    """A training that has ended can get another name, or go."""
    with st.expander("Rename or delete this training"), forms.one_line():
        own_title = st.text_input("Name", key=f"title {name}", max_chars=jobs.LONGEST)
        first, second = st.columns(2)
        if first.button("Rename", key="rename", width="stretch"):
            jobs.rename(name, own_title)
            st.rerun()
        with second.popover("Delete …", width="stretch"):
            st.markdown("Its run and its film will be gone.")
            if st.button("Delete for good", key="delete", width="stretch"):
                jobs.delete(name)
                _close()
                st.rerun()


def _close() -> None:
    """Show no training, but what is to be learned."""
    st.session_state.pop("job", None)
    st.query_params.clear()


def _live(name: str, was_active: bool) -> None:
    with forms.one_line():
        status = jobs.read(name)
        if was_active and not status.active:
            st.rerun()  # the whole page, which then stops asking
        _progress(name, status)
        if status.active:
            _speed(name)
        if status.epoch or status.step is not None:
            _pictures(name, status)


def _progress(name: str, status: jobs.Status) -> None:
    pace = jobs.paced(jobs.folder(name)) if status.active else ""
    share = status.epoch / status.epochs if status.epochs else 0.0
    bar, button = st.columns([5, 1], vertical_alignment="bottom")
    bar.progress(min(share, 1.0), _how_far(status, pace))
    if status.state == "failed":
        forms.complain(status.line)
    if status.active:
        look = {"icon": ":material/stop:", "disabled": status.state == "stopping"}
        look |= {"on_click": _ask, "args": (jobs.stop, name)}
        button.button("Stop", key="stop", width="stretch", **look)
    elif status.epoch:
        for column, page in zip(st.columns(3), ("generate", "explore", "watch"), strict=True):
            if column.button(page.capitalize(), key=f"go {page}", width="stretch"):
                st.switch_page(f"{page}.py")


def _how_far(status: jobs.Status, pace: str) -> str:
    """How far a training is, in words; how long it will take only where nothing holds it."""
    words = STATES[status.state]
    if status.state == "starting" and status.line.startswith("drawing"):
        words = forms.plain(status.line.capitalize())
    if status.state == "stopped" and not status.epoch:
        words = "Stopped in its first epoch: nothing is kept"
    if pace in jobs.PACES[2:]:
        words = "Paused"
    if status.epochs:
        words += f" · epoch {status.epoch} of {status.epochs}"
    if status.step is not None:
        words += f", step {status.step}"
    hold = pace != jobs.PACES[0] or not status.left
    return words if hold else f"{words}, about {duration(status.left)} left"


def _speed(name: str) -> None:
    """How fast it is to go; one step, once asked for, leaves it paused."""
    key, now = f"speed {name}", jobs.paced(jobs.folder(name))
    st.session_state.setdefault(key, "pause" if now == "one step" else now)
    words = {"required": True, "key": key, "on_change": _set_pace, "args": (name, key)}
    chosen = st.segmented_control("Speed", jobs.PACES[:3], **words)
    if chosen == "pause":
        words = {"icon": ":material/skip_next:", "on_click": _ask}
        st.button("One step", key="one step", args=(jobs.pace, name, "one step"), **words)


def _set_pace(name: str, key: str) -> None:
    _ask(jobs.pace, name, st.session_state[key])


def _ask(action, *given) -> None:
    """What a click asks for; what goes wrong is told in one line."""
    with forms.one_line():
        action(*given)


def _pictures(name: str, status: jobs.Status) -> None:
    """The picture being learned and the loss curves, drawn anew when there is something new."""
    key = (name, status.epoch, jobs.changed(name))
    drawn = st.session_state.get("drawn", (None,))
    if drawn[0] != key:
        drawn = st.session_state["drawn"] = (key, *_draw(name, status))
    _, found, *pictures = drawn
    family = jobs.job_of(name).recipe.family
    for picture, width, alt in zip(pictures, ("stretch", SQUARE, "stretch"), ALTS, strict=False):
        if picture:
            arrows = ARROWS if alt == ALTS[1] and family == "gan" else ""
            forms.picture(picture, alt, width, arrows)
    if status.state != "failed":
        st.caption(" · ".join(filter(None, (status.line, found))))


def _draw(name: str, status: jobs.Status) -> tuple[str | bytes | None, ...]:
    """How many modes are found, in words, and the pictures; nothing where there is none."""
    from helpers import targets  # they bring PyTorch: not for the first page to wait for
    from helpers.app import render

    job, seen = jobs.job_of(name), jobs.preview(name)
    target = targets.named(job.target)
    if seen is None:
        return ("",)
    modes = "modes found: {} of {}".format(*seen["modes"].astype(int)) if "modes" in seen else ""
    learned = render.learned(job.recipe, target, status.epoch, seen)
    networks = None
    if "field" in seen:
        networks = render.discriminator(target, seen)
    elif "decoded" in seen:
        networks = render.gaussians(target, seen)
    curves = dict(status.losses)
    losses = render.losses(job.recipe, curves.pop("epoch"), curves) if curves else None
    return modes, learned, networks, losses


if __name__ == "__main__":
    show()

"""Train: choose what to learn and how, and watch it being learned."""

import json
import zipfile

import streamlit as st

from helpers import experiments, files, recipes
from helpers.app import forms, jobs, limits

SHOWN = {  # at once; what else a recipe has is folded away
    "vae": ("epochs", "objective", "encoder", "decoder", "latent"),
    "gan": ("epochs", "objective", "generator", "discriminator", "latent"),
}
FIRST = {  # the recipe that a choice begins with
    ("digits", "vae"): "vae-digits-8",
    ("digits", "gan"): "gan-digits",
    ("ring8", "vae"): "vae-mixture",
    ("ring8", "gan"): "gan-mixture",
    ("grid25", "vae"): "vae-mixture",
    ("grid25", "gan"): "gan-mixture-wide",
    ("gmm5", "vae"): "vae-full",
    ("gmm5", "gan"): "gan-fast",
}
NOT_FOR = {True: ("full",), False: ("bernoulli",)}  # a variance, on images and on the plane
FAMILIES = (
    "A **VAE** learns to encode each point as a small cloud of codes and to decode it again; new "
    "points are decoded from noise. In a **GAN** a generator turns noise into points while a "
    "discriminator learns to tell them from real ones."
)
PLAIN = 4  # times as long, without compiling
WORTH = 120  # seconds of a training from which on compiling pays
REFRESH = 0.5  # seconds
SQUARE = 520  # pixels of the networks' picture
STATES = {
    "starting": "Starting (about 5 s)",
    "training": "Training",
    "stopping": "Stopping after this epoch",
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
        _start_button(_job())
    with right, forms.one_line():
        _looked_at()
    jobs.prepare()  # last: the page goes first


def _job() -> jobs.Job | None:
    """What the form asks for; None, and a line that says why, where that cannot be trained."""
    what = {"options": list(limits.TARGETS), "format_func": limits.TARGETS.get}
    what["key"] = forms.kept("target", "gmm5", what["options"])
    target = st.segmented_control("What to learn", required=True, **what)
    kinds = {"options": list(SHOWN), "format_func": str.upper}
    kinds["key"] = forms.kept("family", "gan", kinds["options"])
    family = st.segmented_control("Family", required=True, **kinds)
    base = _recipe(target, family)
    values, extras, mistakes = {}, {}, []
    columns = _numbers(base, SHOWN[family], (), values, mistakes)
    with columns[1], forms.one_line(mistakes):
        extras["seed"] = forms.whole("seed", 5, "Of weights and noise.")
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
    pictured = target in limits.IMAGES
    rest = [name for name in forms.tunable(base) if name not in SHOWN[base.family]]
    columns = _numbers(base, rest, NOT_FOR[pictured], values, mistakes)
    if pictured:
        with columns[len(rest) % 2], forms.one_line(mistakes):
            about = "For training, at the most. A few are learned sooner, and by heart."
            extras["images"] = forms.whole("images", 4_000, about)
    if pictured:  # nothing is gained where convolutions take the time
        extras["compiled"] = False
        return
    about = "Several times faster, after up to half a minute in which no new picture comes."
    long = (_an_epoch(base.name, target) or 0) * PLAIN * base.epochs > WORTH
    key = forms.kept(f"compiled {base.name}", long)
    extras["compiled"] = st.toggle("Compile the steps", key=key, help=about)


def _recipe(target: str, family: str) -> recipes.Recipe:
    every = experiments.RECIPES.values()
    names = [recipe.name for recipe in every if recipe.family == family and fits(recipe, target)]
    name = st.selectbox(
        "Preset",
        names,
        format_func=lambda name: f"{name}: {experiments.named(name).idea}",
        key=forms.kept(f"recipe {target} {family}", FIRST[target, family], names),
    )
    return experiments.named(name)


def fits(recipe: recipes.Recipe, target: str) -> bool:
    """Whether a recipe can be trained on a target as it is."""
    if recipe.family == "gan" and recipe.start:
        return False  # it needs a VAE of the same target first
    if target in limits.IMAGES:
        return target in recipe.name
    return recipe.domain == "plane"


def _estimate(job: jobs.Job) -> str:
    """How long it may take, by the saved run of the recipe."""
    each = _an_epoch(job.base, job.target)
    if each is None:
        return "How long it takes is told after the first epoch."
    each *= 1 if job.compiled or job.target in limits.IMAGES else PLAIN
    return f"About {duration(each * job.recipe.epochs)}, if the sizes stay the recipe's."


@st.cache_data(max_entries=64)
def _an_epoch(base: str, target: str) -> float | None:
    """Seconds that an epoch of a recipe's saved run took; None where there is no such run."""
    suffix = "" if target == "gmm5" else f"@{target}*"
    roots = files.written("data", "runs"), files.REPOSITORY / "data" / "runs"
    found = (path for root in roots for path in root.glob(f"{base}{suffix}/seed5.zip"))
    try:
        with zipfile.ZipFile(next(found)) as archive:
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
    if st.button("Train", key="start", **look) and job:
        with forms.one_line():
            with st.spinner("Starting …"):
                _look_at(jobs.start(job))
            st.rerun()


# ------------------------------------------------------------------- the training looked at


def _look_at(name: str) -> None:
    st.session_state["job"] = name
    st.query_params["run"] = name


def _looked_at() -> None:
    """The training that the address or the session names, live while it lasts."""
    name = st.query_params.get("run") or st.session_state.get("job")
    head, aside = st.columns([3, 1], vertical_alignment="center")
    with aside:
        _others(name)
    if not name:
        head.info("Press **Train** to watch a model learn this picture.")
        st.image(_picture(st.session_state[f"{forms.KEPT}target"]), width=520)
        st.caption(FAMILIES)
        return
    status = jobs.read(name)
    _look_at(name)
    head.markdown(f"**{name}**")
    live = st.fragment(_live, run_every=REFRESH if status.active else None)
    live(name, status.active)


@st.cache_data(max_entries=8, show_spinner="Drawing what is to be learned …")
def _picture(name: str) -> bytes:
    """What a model is to learn: points of a target, or images."""
    from helpers import targets  # they bring PyTorch: not for the form to wait for
    from helpers.app import render

    target = targets.named(name)
    seen = target.draws().train.points[:2_000]
    return render.samples(target, seen[:64] if name in limits.IMAGES else seen)


def _others(name: str | None) -> None:
    others = [other for other in jobs.listed() if other != name][:30]
    if others:
        with st.popover("Earlier trainings", width="stretch"):
            for other in others:
                if st.button(other, key=f"look {other}", type="tertiary"):
                    _look_at(other)
                    st.rerun()


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
    left = status.left if status.active else None
    share = status.epoch / status.epochs if status.epochs else 0.0
    bar, button = st.columns([5, 1], vertical_alignment="bottom")
    words = STATES[status.state]
    if status.epochs:
        words += f" · epoch {status.epoch} of {status.epochs}"
    if status.step is not None:
        words += f", step {status.step}"
    bar.progress(min(share, 1.0), words + (f", about {duration(left)} left" if left else ""))
    if status.state == "failed":
        forms.complain(status.line)
    if status.active:
        look = {"icon": ":material/stop:", "disabled": status.state == "stopping"}
        look |= {"on_click": jobs.stop, "args": (name,)}
        button.button("Stop", key="stop", width="stretch", **look)
    elif status.epoch:
        for column, name in zip(st.columns(3), ("generate", "explore", "watch"), strict=True):
            if column.button(name.capitalize(), key=f"go {name}", width="stretch"):
                st.switch_page(f"{name}.py")


def _speed(name: str) -> None:
    """How fast it is to go; one step, once asked for, leaves it paused."""
    place = jobs.folder(name)
    now = jobs.paced(place)
    chosen = st.segmented_control("Speed", jobs.PACES[:3], default=now, key=f"speed {name}")
    if chosen and chosen != now and now != "one step":
        jobs.pace(name, chosen)
    if chosen == "pause":
        words = {"icon": ":material/skip_next:", "on_click": jobs.pace}
        st.button("One step", key="one step", args=(name, "one step"), **words)


def _pictures(name: str, status: jobs.Status) -> None:
    """The picture being learned and the loss curves, drawn anew when there is something new."""
    key = (name, status.epoch, jobs.changed(name))
    drawn = st.session_state.get("drawn", (None,))
    if drawn[0] != key:
        drawn = st.session_state["drawn"] = (key, *_draw(name, status))
    _, found, *pictures = drawn
    for picture, width in zip(pictures, ("stretch", SQUARE, "stretch"), strict=False):
        if picture:
            st.image(picture, width=width)
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

"""Train: choose what to learn and how, and watch it being learned."""

import json

import streamlit as st

from helpers import experiments, orders, places, recipes, trials, widgets

SHOWN = {  # at once; what else a recipe has is folded away
    "vae": ("epochs", "objective", "encoder", "decoder", "latent"),
    "gan": ("epochs", "objective", "generator", "critic", "latent"),
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
SAVED = {"gmm5": "", "ring8": "@ring8", "grid25": "@grid25", "digits": "@digits-28"}
PLAIN = 4  # times as long, without compiling
REFRESH = 0.5  # seconds
STATES = {
    "starting": "Loading and compiling",
    "training": "Training",
    "stopping": "Stopping after this epoch",
    "complete": "Complete",
    "stopped": "Stopped early, what was learned is kept",
    "failed": "Failed",
}


def show() -> None:
    """The page."""
    widgets.head(
        "Train",
        "Choose what to learn and how, press **Train**, and watch it being learned. A training "
        "goes on when this page is closed or reloaded.",
    )
    left, right = st.columns([2, 3], gap="large")
    with left:
        _start_button(_order())
    with right, widgets.one_line():
        _looked_at()


def _order() -> orders.Order | None:
    """What the widgets ask for; None, and a line that says why, where that cannot be trained."""
    what = {"options": list(orders.TARGETS), "format_func": orders.TARGETS.get}
    target = st.segmented_control("What to learn", default="gmm5", required=True, **what)
    kinds = {"options": list(SHOWN), "format_func": str.upper}
    family = st.segmented_control("Family", default="gan", required=True, **kinds)
    base = _recipe(target, family)
    values, extras, mistakes = {}, {}, widgets.Mistakes()
    columns = st.columns(2)
    for place, name in enumerate(SHOWN[family]):
        with columns[place % 2], mistakes.caught():
            values[name] = widgets.number(base, name)
    with columns[1], mistakes.caught():
        extras["seed"] = widgets.whole("seed", 5, "Of weights and noise.")
    with st.expander("More numbers"):
        _more(base, target, values, extras, mistakes)
    return _checked(base, target, values, extras, mistakes)


def _checked(base, target, values, extras, mistakes) -> orders.Order | None:
    with mistakes.caught():
        order = orders.Order(recipes.changed(base, **values), target, **extras)
        orders.check(order)
    if mistakes:
        mistakes.tell()
        return None
    st.caption(_estimate(base, order))
    return order


def _more(base: recipes.Recipe, target: str, values, extras, mistakes) -> None:
    """What is seldom changed, into `values` of the recipe and `extras` around it."""
    columns = st.columns(2)
    rest = [name for name in widgets.tunable(base) if name not in SHOWN[base.family]]
    for place, name in enumerate(rest):
        with columns[place % 2], mistakes.caught():
            values[name] = widgets.number(base, name, NOT_FOR[target in orders.IMAGES])
    if target in orders.IMAGES:
        with columns[len(rest) % 2], mistakes.caught():
            about = "For training, at the most. A few are learned sooner, and by heart."
            extras["images"] = widgets.whole("images", 4_500, about)
    about = "Several times faster, after up to half a minute the first time."
    extras["fast"] = st.toggle("Compile the steps", value=True, help=about)


def _recipe(target: str, family: str) -> recipes.Recipe:
    names = [
        r.name for r in experiments.RECIPES.values() if _fits(r, target) and r.family == family
    ]
    name = st.selectbox(
        "Recipe to start from",
        names,
        index=names.index(FIRST[target, family]),
        format_func=lambda name: f"{name}: {experiments.named(name).idea}",
        key=f"recipe {target} {family}",
    )
    return experiments.named(name)


def _fits(recipe: recipes.Recipe, target: str) -> bool:
    if recipe.family == "gan" and recipe.start:
        return False  # it needs a VAE of the same target first
    pictured = next((word for word in ("digits", "colour", "faces") if word in recipe.name), "")
    return pictured == (target if target in orders.IMAGES else "")


def _estimate(base: recipes.Recipe, order: orders.Order) -> str:
    """How long it may take, by the saved run of the recipe."""
    folder = f"{base.name}{SAVED[order.target]}"
    try:
        path = places.existing("data", "runs", folder, "seed5.json")
        seconds = json.loads(path.read_text("utf-8"))["history"]["seconds"]
    except (OSError, ValueError, LookupError):
        return "How long it takes is told after the first epoch."
    each = seconds[-1] / max(1, len(seconds) - 1) * (1 if order.fast else PLAIN)
    return f"About {_time(each * order.recipe.epochs)}, if the sizes stay the recipe's."


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5_400 else f"{seconds / 3600:.1f} h"


def _start_button(order: orders.Order | None) -> None:
    look = {"type": "primary", "icon": ":material/play_arrow:", "disabled": order is None}
    if st.button("Train", key="start", **look) and order:
        with widgets.one_line():
            with st.spinner("Starting …"):
                _look_at(trials.start(order))
            st.rerun()


# ------------------------------------------------------------------- the training looked at


def _look_at(trial: str) -> None:
    st.session_state["trial"] = trial
    st.query_params["run"] = trial


def _looked_at() -> None:
    """The training that the address or the session names, live while it lasts."""
    trial = st.query_params.get("run") or st.session_state.get("trial")
    head, aside = st.columns([3, 1], vertical_alignment="center")
    with aside:
        _others(trial)
    if not trial:
        head.info("No training is shown: start one on the left.")
        return
    status = trials.read(trial)
    _look_at(trial)
    head.markdown(f"**{trial}**")
    live = st.fragment(_live, run_every=REFRESH if status.active else None)
    live(trial, status.active)


def _others(trial: str | None) -> None:
    others = [other for other in trials.listed() if other != trial][:30]
    if others:
        with st.popover("Earlier ones", width="stretch"):
            for other in others:
                if st.button(other, key=f"look {other}", type="tertiary"):
                    _look_at(other)
                    st.rerun()


def _live(trial: str, was_active: bool) -> None:
    with widgets.one_line():
        status = trials.read(trial)
        if was_active and not status.active:
            st.rerun()  # the whole page, which then stops asking
        _progress(trial, status)
        if status.epoch:
            _pictures(trial, status)


def _progress(trial: str, status: trials.Status) -> None:
    left = "" if status.left is None or not status.active else f", about {_time(status.left)} left"
    share = status.epoch / status.epochs if status.epochs else 0.0
    bar, button = st.columns([5, 1], vertical_alignment="bottom")
    words = f"{STATES[status.state]} · epoch {status.epoch} of {status.epochs}{left}"
    bar.progress(min(share, 1.0), words)
    if status.state == "failed":
        st.error(status.line, icon=":material/error:")
    if status.active:
        look = {"icon": ":material/stop:", "disabled": status.state == "stopping"}
        look |= {"on_click": trials.stop, "args": (trial,)}
        button.button("Stop", key="stop", width="stretch", **look)
    elif status.epoch:
        _next_steps()


def _next_steps() -> None:
    columns = st.columns(3)
    for column, name in zip(columns, ("generate", "explore", "watch"), strict=True):
        if column.button(name.capitalize(), key=f"go {name}", width="stretch"):
            st.switch_page(f"screens/{name}.py")


def _pictures(trial: str, status: trials.Status) -> None:
    """The picture being learned and the loss curves, drawn anew when an epoch has ended."""
    key = (trial, status.epoch)
    drawn = st.session_state.get("drawn", (None,))
    if drawn[0] != key:
        drawn = st.session_state["drawn"] = (key, *_draw(trial, status))
    if drawn[1]:
        st.image(drawn[1], width="stretch")
    st.image(drawn[2], width="stretch")
    st.caption(status.line)


def _draw(trial: str, status: trials.Status) -> tuple[bytes | None, bytes]:
    from helpers import views, worker  # they bring PyTorch: not for the first page to wait for

    order, seen = trials.order_of(trial), trials.preview(trial)
    target = worker.target_of(order)
    learned = seen and views.learned(order.recipe, target, status.epoch, seen)
    epochs, curves = status.losses["epoch"], dict(status.losses)
    del curves["epoch"]
    return learned, views.losses(epochs, curves)


if __name__ == "__main__":
    show()

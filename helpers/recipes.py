"""Recipes: all the numbers of an experiment as plain data, with a reason for every default.

`helpers.experiments` names those that exist. A target builds a recipe's networks,
`objectives.build` its objective, `training.settings` the settings. Nothing here needs PyTorch.
"""

import difflib
import hashlib
import json
import math
import re
from collections.abc import Iterable
from dataclasses import MISSING, Field, asdict, dataclass, field, fields, replace

BOUNDS = {  # of every number in a recipe, and of every width in a tuple of them
    "latent": (1, 10_000),
    "dense": (0, 10_000),
    "epochs": (1, math.inf),
    "batch": (2, math.inf),
    "learning_rate": (1e-12, 1),
    "samples": (1, 10_000),
    "encoder": (1, 10_000),
    "decoder": (1, 10_000),
    "generator": (1, 10_000),
    "discriminator": (1, 10_000),
    "beta": (0, 1e6),
    "beta_start": (0, 1e6),
    "beta1": (0, 0.999),
    "average": (0, 0.999999),
    "discriminator_steps": (1, 10_000),
    "penalty": (0, 1e6),
    "penalty_end": (0, 1e6),
    "penalty_share": (0.01, 1),
    "frozen": (0, 100),
    "leak": (0, 1),
    "floor": (0, 1),
    "ceiling": (0, 1),
}
NAME = re.compile(r"\w[\w.-]{0,99}")
LAYERS = 12  # hidden ones, at the most
WIDTHS = {"vae": ("encoder", "decoder"), "gan": ("generator", "discriminator")}


class BadRecipe(ValueError):
    """A recipe, or a value in one, that cannot be used; the message says what is possible."""


def unknown(name: str, known: Iterable[str], kind: str, remedy: str) -> str:
    """One line for a name that nothing bears, with the nearest three of those that exist."""
    near = difflib.get_close_matches(name, known, 3, cutoff=0.6)
    meant = f"did you mean {', '.join(near)}? " if near else ""
    return f"{name[:80]!r}: no such {kind}; {meant}`python -m helpers {remedy}"


def choice(default, reason: str, unit: str = "", options: Iterable[str] = ()):
    """A field with the reason for its default, its unit and its possible values."""
    metadata = {"reason": reason, "unit": unit, "options": tuple(options)}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What both families share."""

    name: str
    idea: str
    domain: str = choice("plane", "where the target lies", options=("plane", "images"))
    latent: int = choice(2, "as many as the plane has, and both latent spaces can be drawn")
    epochs: int = choice(250, "the assignment's", "passes over the training points")
    batch: int = choice(256, "the assignment's for its GAN", "points")
    learning_rate: float = choice(1e-3, "then down to zero along half a cosine")
    dense: int = choice(
        0, "none; on images a layer between latents and convolutions bends what they span", "units"
    )
    floor: float = choice(
        0.0, "none; noise whose area cannot vanish leaves the density no spikes", "data's scale"
    )
    ceiling: float = choice(
        0.0, "none; noise that cannot grow wide leaves no way but codes", "data's scale"
    )

    def __post_init__(self):
        if not (isinstance(self.name, str) and NAME.fullmatch(self.name)):  # names files
            raise BadRecipe(f"name {str(self.name)[:40]!r}: give letters, digits, - and . alone")
        for f in fields(self):
            options, value = f.metadata.get("options"), getattr(self, f.name)
            _check_kind(f, value)
            if options and value not in options:
                raise BadRecipe(f"{f.name} = {value!r}: choose one of {', '.join(options)}")
            if f.name in BOUNDS:
                _check_bounds(f.name, value)
        if self.dense and self.domain == "plane":
            raise BadRecipe(
                f"dense = {self.dense}: a layer beside convolutions, which the plane has not; give "
                "one more width instead"
            )

    def _check_noise(self, bounded: bool, remedy: str) -> None:
        """Raise BadRecipe for bounds of a noise that there is not, or that leave it no room."""
        if (self.floor or self.ceiling) and not bounded:
            raise BadRecipe(
                f"floor = {self.floor:g}, ceiling = {self.ceiling:g}: bounds of a covariance; "
                f"leave them out, or give {remedy} with them"
            )
        if self.ceiling and self.floor >= self.ceiling:
            raise BadRecipe(
                f"floor = {self.floor:g}: not below the ceiling of {self.ceiling:g}; lower it"
            )


def _check_kind(field: Field, value) -> None:
    """Raise BadRecipe where a value is not of its field's type, as in a damaged record."""
    usual = field.default
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(usual, tuple):
        good = isinstance(value, tuple) and all(type(width) is int for width in value)
    elif isinstance(usual, float):
        good = number
    else:
        good = isinstance(usual, type(value)) or usual is MISSING
    if not good:
        raise BadRecipe(f"{field.name} = {str(value)[:40]}: give one like {usual!r}")


def _check_bounds(name: str, value) -> None:
    least, most = BOUNDS[name]
    values = value if isinstance(value, tuple) else (value,)
    if not 0 < len(values) <= LAYERS:
        raise BadRecipe(f"{name}: {len(values)} layers; must be from 1 to {LAYERS}")
    bad = [v for v in values if not (least <= v <= most and math.isfinite(v))]  # NaN is bad too
    if bad:
        range_ = f"at least {least}" if most == math.inf else f"from {least:g} to {most:g}"
        raise BadRecipe(f"{name} = {bad[0]}: must be {range_}")


@dataclass(frozen=True, kw_only=True)
class VAERecipe(Recipe):
    """A VAE. The defaults are the assignment's sizes: 18,054 parameters."""

    family: str = "vae"
    batch: int = choice(128, "the assignment's for its VAE", "points")
    learning_rate: float = choice(2e-3, "twice Adam's default trains as well and sooner")
    objective: str = choice("elbo", "Kingma & Welling", options=("elbo", "autoencoder", "iwae"))
    samples: int = choice(1, "one code a point is the usual ELBO", "codes a point")
    variance: str = choice(
        "unit",
        "σ = 1, so the likelihood is a squared error; full on the plane, bernoulli on images alone",
        options=("unit", "scale", "full", "bernoulli"),
    )
    codes: str = choice(
        "flat",
        "a linear layer mixes the whole image into each number; on a grid each has its own place",
        options=("flat", "grid"),
    )
    encoder: tuple[int, ...] = choice((128, 64), "the assignment's", "units a hidden layer")
    decoder: tuple[int, ...] = choice((64, 128), "the assignment's", "units a hidden layer")
    beta: float = choice(1.0, "the ELBO proper; the end of the schedule")
    beta_start: float = choice(1.0, "no schedule unless it differs from beta")

    def __post_init__(self):
        super().__post_init__()
        if self.samples > 1 and self.objective != "iwae":
            raise BadRecipe(
                f"samples = {self.samples}: {self.objective} takes one code a point; give "
                "objective iwae with it"
            )
        if self.codes == "grid" and (self.dense or self.domain == "plane"):
            raise BadRecipe(
                "codes = grid: for images, and without a dense layer; give domain images and dense "
                "0 with it, or codes flat"
            )
        self._check_noise(self.variance == "full", "variance full")
        if (self.beta, self.beta_start) != (1, 1) and self.objective != "elbo":
            raise BadRecipe(
                f"beta = {self.beta:g}, beta_start = {self.beta_start:g}: {self.objective} weighs "
                "no KL; leave them out, or give objective elbo"
            )


@dataclass(frozen=True, kw_only=True)
class GANRecipe(Recipe):
    """A GAN. The defaults are the assignment's sizes: 4,482 and 17,537 parameters."""

    family: str = "gan"
    objective: str = choice(
        "non-saturating",
        "Goodfellow's own choice for training",
        options=("non-saturating", "least-squares", "wgan-gp", "relativistic"),
    )
    sampler: str = choice(
        "map",
        "x = G(z), the assignment's; gaussian adds noise, as a VAE's decoder does: μ(z) + L(z) ε",
        options=("map", "gaussian"),
    )
    generator: tuple[int, ...] = choice((64, 64), "the assignment's", "units a hidden layer")
    discriminator: tuple[int, ...] = choice((128, 128), "the assignment's", "units a hidden layer")
    discriminator_norm: str = choice(
        "actnorm",
        "trains evenly under every loss; the parameters the assignment counts",
        options=("actnorm", "none"),
    )
    activation: str = choice(
        "leaky", "the usual one of a generator; relu as a decoder has it", options=("leaky", "relu")
    )
    leak: float = choice(0.2, "of a leaky activation: its slope below zero")
    beta1: float = choice(0.0, "momentum makes the two networks overshoot each other")
    average: float = choice(0.999, "the average of ~1,000 steps irons out their circling")
    discriminator_steps: int = choice(
        1,
        "one each; the Wasserstein critic wants more",
        "of the discriminator to one of the generator",
    )
    penalty: float = choice(0.0, "strength of the gradient penalty at the start")
    penalty_end: float = choice(0.0, "and at the end")
    penalty_share: float = choice(
        1.0, "all of it; a part estimates the same mean and costs less", "of the batch it looks at"
    )
    start: str = choice("", "a VAE recipe whose trained decoder the generator starts from")
    frozen: int = choice(
        0, "all learn; more keep what a decoder has learned", "first layers kept as started"
    )
    generator_norm: str = choice(
        "pixel",
        "keeps the signal of convolutions in bounds; the plane has none, nor has a decoder",
        options=("pixel", "none"),
    )
    precision: str = choice(
        "float32",
        "seven digits; bfloat16 multiplies with three, in two thirds of the time on processors "
        "since 2022",
        options=("float32", "bfloat16"),
    )

    def __post_init__(self):
        super().__post_init__()
        if self.precision != "float32" and self.domain == "plane":
            raise BadRecipe(
                f"precision = {self.precision}: on the plane multiplying takes no time; leave it "
                "out, or give domain images with it"
            )
        if (self.penalty == 0) != (self.penalty_end == 0):
            raise BadRecipe(
                f"penalty = {self.penalty:g}, penalty_end = {self.penalty_end:g}: it moves by a "
                "constant factor, which zero has not; give both or neither"
            )
        if self.penalty_share < 1 and not self.penalty:
            raise BadRecipe(
                f"penalty_share = {self.penalty_share:g}: there is no penalty; leave it out, or "
                "give penalty and penalty_end with it"
            )
        if not self.penalty and self.objective == "wgan-gp":
            raise BadRecipe(
                "penalty = 0: without it the critic of wgan-gp grows without bound; give penalty "
                "and penalty_end, for instance 10"
            )
        if self.frozen and not self.start:
            raise BadRecipe(
                f"frozen = {self.frozen}: fresh layers would never learn; give start with it, a "
                "VAE's recipe"
            )
        self._check_noise(self.sampler == "gaussian", "sampler gaussian")
        if self.leak != 0.2 and self.activation == "relu":
            raise BadRecipe(f"leak = {self.leak:g}: a relu has none; give activation leaky with it")
        if self.frozen > len(self.generator):
            raise BadRecipe(
                f"frozen = {self.frozen}: the generator has {len(self.generator) + 1} layers with "
                f"its last, of which one must learn; give {len(self.generator)} at the most"
            )


KINDS = {"vae": VAERecipe, "gan": GANRecipe}


def changed(recipe: Recipe, **values) -> Recipe:
    """The recipe with other values, named after them if any differs and no name is given.

    The name, `<name>-custom-<six hex digits>`, is another for each set of numbers.

    Raises BadRecipe for a value out of bounds, or one that this family does not have.
    """
    foreign = [name for name in values if name not in {f.name for f in fields(recipe)}]
    if foreign:
        raise BadRecipe(
            f"{foreign[0]}: {recipe.name} is a {recipe.family.upper()}, which has no such number; "
            "leave it out or take a recipe of the other family"
        )
    other = replace(recipe, **values)
    if other == recipe:
        return recipe
    if "name" in values:
        return other
    numbers = json.dumps({k: v for k, v in asdict(other).items() if k not in ("name", "idea")})
    digest = hashlib.sha256(numbers.encode()).hexdigest()[:6]
    return replace(other, name=f"{recipe.name}-custom-{digest}")


def widened(recipe: Recipe, width: int) -> Recipe:
    """The recipe with hidden layers in the assignment's proportions, 64 being its own width.

    Raises BadRecipe for a width out of bounds.
    """
    names = WIDTHS[recipe.family]
    sizes = {name: tuple(n * width // 64 for n in getattr(recipe, name)) for name in names}
    other = replace(recipe, **sizes)
    return recipe if other == recipe else replace(other, name=f"{recipe.name}-width-{width}")


def from_dict(values: dict) -> Recipe:
    """Read back what `to_dict` wrote, also after a way through JSON. Raises BadRecipe."""
    try:
        kind = KINDS[values["family"]]
        return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
    except (KeyError, TypeError, AttributeError) as error:
        raise BadRecipe(f"not a recipe ({error})") from None


def to_dict(recipe: Recipe) -> dict:
    """The recipe as JSON would give it back."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(recipe).items()}


def check_domain(recipe: Recipe, target) -> None:
    """Raise BadRecipe where the recipe's networks are not for that kind of target."""
    if recipe.domain != target.domain:
        kinds = {"plane": "targets in the plane", "images": "images"}
        theirs = {"plane": "a target in the plane", "images": "a dataset of images"}
        raise BadRecipe(
            f"{recipe.name}: a recipe for {kinds[recipe.domain]}, but {target.name} is "
            f"{theirs[target.domain]}; choose another target, or a recipe for it from the list"
        )

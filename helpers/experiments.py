"""The named experiments: every recipe, with the reason for numbers that are special.

And what they can be trained on and at which size: targets and presets. Nothing here needs
PyTorch, so that a command line or a page can list it at once.
"""

from dataclasses import dataclass, replace

from helpers.recipes import WIDTHS, BadRecipe, GANRecipe, Recipe, VAERecipe, unknown

TARGETS = {
    "gmm5": "five Gaussians in the plane, the assignment's",
    "ring8": "eight narrow Gaussians on a ring",
    "grid25": "twenty-five narrow Gaussians on a grid",
    "digits": "5,000 digits of MNIST, 28 × 28",
    "coloured-mnist": "the same digits in colour, 32 × 32",
    "avatars": "50,000 pictures in ten styles, 32 × 32, drawn on your machine",
    "emoji": "4,495 drawings of OpenMoji, 32 × 32",
    "faces": "8,300 comic faces, 64 × 64, drawn on your machine",
    "mnist": "MNIST, from your own files in data/images/mnist",
    "fashion": "Fashion-MNIST, from data/images/fashion",
    "cifar10": "CIFAR-10, from data/images/cifar10",
    "cub": "CUB-200 birds, from data/images/cub",
}

IWAE = {"objective": "iwae", "samples": 8}
# Gulrajani et al.; their five critic steps would slow the generators of images.
WGAN_GP = {"objective": "wgan-gp", "penalty": 10.0, "penalty_end": 10.0}
# Variants are compared with each other, not with the base runs: all are shorter.
SHORT_VAE = {"epochs": 20, "batch": 512}
SHORT_GAN = {"epochs": 20}
# A covariance for every code takes longer to fit, and bears a higher rate.
FULL = {"variance": "full", "epochs": 60, "batch": 256, "learning_rate": 4e-3}
HALF = {**FULL, "epochs": 30}  # eight codes a point: each epoch does more work
LONGEST = {**FULL, "batch": 512, "epochs": 200}
# Fronts over widths: many trainings, so short ones; IWAE pays for its eight codes a point.
FRONT = {"variance": "full", "batch": 512, "learning_rate": 6e-3}
GAN_FRONT = {"epochs": 15, "batch": 512, "learning_rate": 2e-3, "activation": "relu"}
WIDE = {"generator": (64, 128), "activation": "relu", "epochs": 15}  # a decoder's own shape

# Large batches cost less a point, and bear a higher rate; a lighter KL at first keeps the codes of
# all seeds apart while they settle; a ReLU's folds find the gaps sooner.
FAST_VAE = {"epochs": 80, "batch": 512, "learning_rate": 1.4e-2, "beta_start": 0.7}
FAST_GAN = {"epochs": 40, "learning_rate": 2e-3, "activation": "relu"}

# Modes narrow and far apart: a deep thin generator has the steepest walls between them.
DEEP = {"generator": (64, 64, 64), "epochs": 70, "batch": 512, "learning_rate": 2e-3}
DEEP |= {"activation": "relu", "average": 0.9995}
# A VAE's noise must start narrow and stay so: where it may grow, one wide Gaussian covers several
# modes for good.
NARROW = {**IWAE, "variance": "full", "ceiling": 0.1, "encoder": (128, 128)}
NARROW |= {"batch": 512, "learning_rate": 2e-3}


# One sampler, x = μ(z) + L(z) ε with the VAE's decoder, under the losses of both families, beside
# the plain map of the same hidden layers. All take about 5,000 steps of decoder or generator at the
# assignment's 256 points; a discriminator takes `k` steps to each.
FLOOR = 0.08  # of the data's scale, which is below the widths of the components: .12 at the least
STEPS = 5_000
OPPOSED = {"generator": (64, 128), "activation": "relu", "discriminator_norm": "none"}
SAMPLERS = {
    "sampler": ("the shared sampler", {"sampler": "gaussian", "floor": FLOOR}),
    "map": ("a plain map", {}),
}
LOSSES = {"ls": "least-squares", "ns": "non-saturating"}
TURNS = (1, 3, 5)  # of a discriminator to one of its generator


def passes(steps: int, batch: int = 256) -> int:
    """Epochs of the 100,000 points that come nearest to so many steps."""
    return round(steps / (100_000 // batch))


def beta(weight: float) -> dict:
    """A KL term of the same weight from start to end."""
    return {"beta": weight, "beta_start": weight}


_STUDIES = (
    VAERecipe(name="vae", idea="the assignment's VAE"),
    GANRecipe(name="gan", idea="the assignment's GAN"),
    VAERecipe(name="vae-fast", idea="the assignment's VAE in a third of the time", **FAST_VAE),
    GANRecipe(name="gan-fast", idea="the assignment's GAN in a fifth of the time", **FAST_GAN),
    VAERecipe(name="vae-best", idea="near the truth itself", **IWAE, **LONGEST),
    GANRecipe(
        name="gan-best",
        idea="near the truth itself",
        objective="least-squares",  # a discriminator that is not saturated shapes modes better,
        sampler="gaussian",  # a sampler that has a density can be matched with one,
        discriminator_steps=3,  # by a discriminator near its optimum,
        floor=FLOOR,  # and noise whose area cannot vanish leaves no spikes
        average=0.9998,  # of 5,000 steps: the two networks circle each other
        batch=1_024,
        epochs=passes(3 * 24_000, 1_024),
        **OPPOSED,
    ),
    VAERecipe(name="autoencoder", idea="no prior, no noise", objective="autoencoder", **SHORT_VAE),
    VAERecipe(name="vae-full", idea="a covariance of its own for every code", **FULL),
    VAERecipe(name="vae-unit", idea="unit variance, likewise", **FULL | {"variance": "unit"}),
    VAERecipe(name="vae-scale", idea="one learned σ, likewise", **FULL | {"variance": "scale"}),
    VAERecipe(
        name="vae-full-short", idea="a covariance, a third as long", variance="full", **SHORT_VAE
    ),
    VAERecipe(name="vae-iwae", idea="a tighter bound", **IWAE, **HALF),
    VAERecipe(name="vae-latent-1", idea="a line as latent space", latent=1, **FULL),
    VAERecipe(name="vae-latent-4", idea="more latents than data dimensions", latent=4, **FULL),
    *(
        VAERecipe(name=f"vae-beta-{b:g}", idea=f"KL weighted by {b:g}", **beta(b), **SHORT_VAE)
        for b in (0.0, 0.5, 0.8, 1.0, 1.2, 4.0)
    ),
    VAERecipe(
        name="vae-beta-linear", idea="beta from 0 to 1 in a line", beta_start=0.0, **SHORT_VAE
    ),
    GANRecipe(name="gan-non-saturating", idea="the base objective, short", **SHORT_GAN),
    GANRecipe(name="gan-lsgan", idea="squared errors", objective="least-squares", **SHORT_GAN),
    GANRecipe(
        name="gan-wgan-gp",
        idea="a distance between distributions",
        objective="wgan-gp",
        discriminator_steps=5,  # Gulrajani et al.
        penalty=0.1,  # in these units a stronger pull towards slope one blurs the modes
        penalty_end=0.1,
        **SHORT_GAN,
    ),
    GANRecipe(
        name="gan-wgan-gp-10",
        idea="the same with its paper's penalty",
        discriminator_steps=5,
        **WGAN_GP,
        **SHORT_GAN,
    ),
    GANRecipe(
        name="gan-relativistic",
        idea="pairs, and flat gradients at the data",
        objective="relativistic",
        penalty=0.02,  # strong enough to calm the start,
        penalty_end=0.001,  # weak enough to let the discriminator sharpen at the end
        **SHORT_GAN,
    ),
    GANRecipe(name="gan-cold", idea="a decoder's shape, fresh weights", **WIDE),
    GANRecipe(name="gan-warm", idea="starts as a VAE's decoder", start="vae-beta-1", **WIDE),
)
_SAMPLERS = (
    *(
        VAERecipe(
            name=f"sampler-{objective}",
            idea=f"the shared sampler by {objective.upper()}",
            objective=objective,
            samples=8 if objective == "iwae" else 1,
            **FULL | {"floor": FLOOR, "epochs": passes(STEPS)},
        )
        for objective in ("elbo", "iwae")
    ),
    *(
        GANRecipe(
            name=f"{kind}-{loss}-{k}",
            idea=f"{about} by {objective}, {k} to 1",
            objective=objective,
            discriminator_steps=k,
            epochs=passes(STEPS * k),
            average=0.9995,
            **OPPOSED | values,
        )
        for kind, (about, values) in SAMPLERS.items()
        for loss, objective in LOSSES.items()
        for k in TURNS
    ),
)
_FRONTS = (
    VAERecipe(name="vae-front", idea="ELBO at every width", epochs=12, **FRONT),
    VAERecipe(
        name="vae-front-iwae", idea="the same decoders, a tighter bound", epochs=8, **IWAE, **FRONT
    ),
    GANRecipe(name="gan-front", idea="generators of every width", **GAN_FRONT),
)
_MIXTURES = (
    VAERecipe(
        name="vae-mixture",
        idea="for rings of narrow modes",
        decoder=(64, 64, 64),
        epochs=300,
        **NARROW,
    ),
    VAERecipe(
        name="vae-mixture-wide",
        idea="for grids of narrow modes",
        decoder=(128, 128, 128),
        epochs=250,
        **NARROW,
    ),
    GANRecipe(name="gan-mixture", idea="for rings of narrow modes", **DEEP),
    GANRecipe(
        name="gan-mixture-wide",
        idea="for grids of narrow modes",
        **DEEP | {"generator": (128,) * 3},
    ),
)

# On images a layer's width is its number of channels, one layer a halving: 28 → 14 → 7 pixels.
# A discriminator's convolutions have no norms.
IMAGE_GAN = {"domain": "images", "discriminator_norm": "none", "activation": "relu"}
# An epoch of the digits has 36,000 images: each of 4,000 in nine places. Digits are islands: a
# layer between latents and convolutions bends the space enough to part them.
SMALL_VAE = {"domain": "images", "encoder": (32, 64), "decoder": (64, 32), "dense": 64}
SMALL_VAE |= {"variance": "bernoulli", "batch": 64, "epochs": 20}
_DIGITS = (
    *(
        VAERecipe(name=f"vae-digits-{d}", idea=f"digits from {d} numbers", latent=d, **SMALL_VAE)
        for d in (2, 8, 32)
    ),
    VAERecipe(name="vae-digits-2-free", idea="the same without KL", **beta(0.0), **SMALL_VAE),
    GANRecipe(
        name="gan-digits",
        idea="digits from 16 numbers, by a GAN",
        objective="relativistic",  # of those tried the most readable digits for the same images
        penalty=1.0,
        penalty_end=0.1,
        penalty_share=0.25,  # half the time of a step, and no worse
        latent=16,
        generator=(64, 32),
        discriminator=(32, 64),
        dense=64,
        batch=64,  # a million images in small batches: steps are what makes digits readable
        epochs=30,
        **IMAGE_GAN,
    ),
)

# Colour images of 32 × 32. A thousand numbers keep their places on the last convolution's grid: a
# linear layer of that size learns too slowly. All autoencoders share the same convolutions.
AUTOENCODER = {"domain": "images", "objective": "autoencoder"}
AUTOENCODER |= {"encoder": (32, 64), "decoder": (64, 32), "epochs": 20, "batch": 64}
COLOUR_VAE = {"domain": "images", "latent": 1_024, "encoder": (16, 32, 32)}
COLOUR_VAE |= {"decoder": (32, 32, 16), "epochs": 20, "batch": 128}
# Three objectives under one generator and one discriminator, over the same 540,000 images. The
# first two lean on R1 (Mescheder et al. 2018), without which they lose nearly all styles.
COLOUR_GAN = {"latent": 32, "generator": (128, 64, 32), "discriminator": (32, 64, 128)} | IMAGE_GAN
COLOUR_GAN |= {"batch": 32, "epochs": 12, "precision": "bfloat16"}
R1 = {"penalty": 10.0, "penalty_end": 10.0, "penalty_share": 0.25}
_COLOUR = (
    *(
        VAERecipe(
            name=f"autoencoder-colour-{d}",
            idea=f"colour images through {d} numbers",
            latent=d,
            codes="grid" if d == 1_024 else "flat",
            **AUTOENCODER,
        )
        for d in (16, 128, 1_024)
    ),
    *(
        VAERecipe(
            name=f"vae-colour-beta-{b:g}",
            idea=f"colour images, KL weighted by {b:g}",
            **beta(b),
            **COLOUR_VAE,
        )
        for b in (0.0, 0.8, 1.0, 1.2)
    ),
    VAERecipe(
        name="vae-colour-linear",
        idea="colour images, beta from 0 to 1 in a line",
        beta_start=0.0,
        **COLOUR_VAE,
    ),
    GANRecipe(name="gan-colour-plain", idea="colour images, no penalty", **COLOUR_GAN),
    GANRecipe(name="gan-colour", idea="colour images, the base objective", **R1, **COLOUR_GAN),
    GANRecipe(
        name="lsgan-colour",
        idea="colour images, squared errors",
        objective="least-squares",
        **R1,
        **COLOUR_GAN,
    ),
    *(
        GANRecipe(
            name=name,
            idea=f"colour images, a distance between distributions, {k} to 1",
            discriminator_steps=k,
            penalty_share=0.25,
            **WGAN_GP,
            **COLOUR_GAN,
        )
        for name, k in (("wgan-gp-colour", 1), ("wgan-gp-colour-5", 5))
    ),
)

# Faces of 64 × 64: a VAE's decoder, and generators of its shape that start as it or anew. A
# decoder has no norms, so they have none. One VAE and one GAN for their own sake are wider.
FACE_CODES = {"domain": "images", "latent": 32, "batch": 32}
FACE_VAE = {"encoder": (8, 16, 32, 64), "decoder": (64, 32, 16, 8), "epochs": 12} | FACE_CODES
FACE_GAN = {"objective": "relativistic", "latent": 32, "batch": 32} | R1 | IMAGE_GAN
STARTS = {"generator": (64, 32, 16, 8), "discriminator": (8, 16, 32, 64), "epochs": 6}
STARTS |= {"generator_norm": "none"} | FACE_GAN
_FACES = (
    VAERecipe(
        name="vae-faces",
        idea="faces from 32 numbers",
        **beta(6.0),  # as if σ² were 6: codes overlap, so that what lies between is a face too
        **FACE_VAE,
    ),
    VAERecipe(
        name="vae-faces-wide",
        idea="faces from 32 numbers, wider and longer",
        **beta(5.0),
        encoder=(16, 32, 64, 128),
        decoder=(128, 64, 32, 16),
        dense=256,  # between codes and convolutions: it halved the FID
        epochs=90,
        **FACE_CODES,
    ),
    VAERecipe(
        name="autoencoder-faces",
        idea="faces through 32 numbers, no prior",
        objective="autoencoder",
        **FACE_VAE,
    ),
    GANRecipe(
        name="gan-faces",
        idea="faces from 32 numbers, by a GAN",
        generator=(128, 64, 32, 16),
        discriminator=(16, 32, 64, 128),
        epochs=40,
        precision="bfloat16",
        **FACE_GAN,
    ),
    GANRecipe(name="gan-faces-cold", idea="faces, from fresh weights", **STARTS),
    GANRecipe(name="gan-faces-warm", idea="faces, from a decoder", start="vae-faces", **STARTS),
    GANRecipe(
        name="gan-faces-frozen",
        idea="faces, from a decoder whose first two layers stay",
        start="vae-faces",
        frozen=2,
        **STARTS,
    ),
)

_IMAGES = (*_DIGITS, *_COLOUR, *_FACES)
RECIPES = {
    recipe.name: recipe for recipe in (*_STUDIES, *_SAMPLERS, *_MIXTURES, *_FRONTS, *_IMAGES)
}
SHARED_SAMPLERS = tuple(recipe.name for recipe in _SAMPLERS)  # under the losses of both families
STUDIES = tuple(recipe.name for recipe in _STUDIES)  # on the five Gaussians


@dataclass(frozen=True)
class Preset:
    """What an experiment on images may cost, as changes of its recipe."""

    name: str
    about: str
    width: float = 1.0  # of every layer, times
    epochs: int | None = None  # instead of the recipe's
    batch: int | None = None
    images: int | None = None  # for training, at the most
    seeds: int | None = None  # of each recipe of a lab, at the most
    compiled: bool = True  # compile the steps, which takes longer than a tiny training


_PRESETS = (
    Preset(
        "tiny", "seconds, to see that all runs", 0.25, 3, 12, images=64, seeds=2, compiled=False
    ),
    Preset("laptop", "minutes on two cores"),
    Preset("gpu", "the published sizes, for a GPU", 4.0),
)
PRESETS = {preset.name: preset for preset in _PRESETS}


def preset(name: str) -> Preset:
    """The preset of that name; raises BadRecipe with the list of names."""
    if name not in PRESETS:
        raise BadRecipe(f"preset {name!r}: choose one of {', '.join(PRESETS)}")
    return PRESETS[name]


def at_preset(recipe: Recipe, preset: Preset) -> Recipe:
    """The recipe at a preset's size, named `<recipe>-<preset>` if that changes it."""
    values = {
        field: tuple(max(2, int(width * preset.width)) for width in getattr(recipe, field))
        for field in WIDTHS[recipe.family]
    }
    values |= {"epochs": preset.epochs or recipe.epochs, "batch": preset.batch or recipe.batch}
    other = replace(recipe, **values)
    if other == recipe:
        return recipe
    values = {"name": f"{recipe.name}-{preset.name}"}
    if getattr(recipe, "start", ""):  # what it starts from must have its sizes
        values["start"] = f"{recipe.start}-{preset.name}"
    return replace(other, **values)


def named(name: str) -> Recipe:
    """The recipe of that name, or of the name that `at_preset` gave it.

    Raises BadRecipe with the names that are nearest.
    """
    base, _, size = name.rpartition("-")
    if name in RECIPES:
        return RECIPES[name]
    if base in RECIPES and size in PRESETS:
        return at_preset(RECIPES[base], PRESETS[size])
    raise BadRecipe(unknown(name, RECIPES, "recipe", "list` shows all"))

"""Recipes: plain data that survives JSON and refuses nonsense; experiments and presets by name."""

import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from helpers import experiments, recipes, targets
from helpers.experiments import at_preset, named, preset
from helpers.files import REPOSITORY
from helpers.recipes import BadRecipe, changed, widened

ALL = list(experiments.RECIPES.values())
IMAGES = SimpleNamespace(name="digits-28", domain="images")


def test_they_are_listed_without_importing_pytorch():
    code = "import sys, helpers.experiments; print('torch' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "False"


# ---------------------------------------------------------------------------- plain data


@pytest.mark.parametrize("recipe", ALL, ids=lambda recipe: recipe.name)
def test_a_recipe_comes_back_from_json(recipe):
    there = json.loads(json.dumps(recipes.to_dict(recipe)))
    assert recipes.from_dict(there) == recipe
    assert there == recipes.to_dict(recipe)


def test_widened_keeps_the_proportions_of_the_layers():
    vae, gan = named("vae"), named("gan")
    assert (widened(vae, 64), widened(gan, 64)) == (vae, gan)
    wide, thin = widened(vae, 128), widened(gan, 8)
    assert (wide.encoder, wide.decoder, wide.name) == ((256, 128), (128, 256), "vae-width-128")
    assert (thin.generator, thin.discriminator, thin.name) == ((8, 8), (16, 16), "gan-width-8")
    with pytest.raises(BadRecipe, match="encoder = 0: must be from 1 to 10000"):
        widened(vae, 0)


BAD = [
    ("gan", {"epochs": 0}, "epochs = 0: must be at least 1"),
    ("gan", {"batch": 1}, "batch = 1: must be at least 2"),
    ("gan", {"learning_rate": 0.0}, "learning_rate = 0.0: must be from 1e-12 to 1"),
    ("gan", {"learning_rate": float("nan")}, "learning_rate = nan: must be"),
    ("gan", {"generator": (64, 0)}, "generator = 0: must be from 1 to 10000"),
    ("gan", {"average": 1.0}, r"average = 1\.0: must be from 0"),
    ("gan", {"objective": "elbo"}, "objective = 'elbo': choose one of non-saturating,"),
    ("gan", {"penalty": 0.1}, "penalty = 0.1, penalty_end = 0: .* give both or neither"),
    ("gan", {"penalty_share": 0.5}, "penalty_share = 0.5: there is no penalty; leave it out"),
    ("gan-relativistic", {"penalty_share": 0.0}, "penalty_share = 0.0: must be from 0.01 to 1"),
    ("vae", {"dense": 64}, "dense = 64: .* the plane has not; give one more width instead"),
    ("gan", {"leak": 0.1, "activation": "relu"}, "leak = 0.1: a relu has none; give activation"),
    ("gan-warm", {"frozen": 3}, "frozen = 3: the generator has 3 layers .*; give 2 at the most"),
    ("gan", {"frozen": 1}, "frozen = 1: fresh layers would never learn; give start with it"),
    ("vae", {"codes": "grid"}, "codes = grid: for images, and without a dense layer; give"),
    ("vae-digits-8", {"codes": "grid"}, "codes = grid: .* give domain images and dense 0 with it"),
    ("gan", {"objective": "wgan-gp"}, "penalty = 0: without it the critic of wgan-gp grows"),
    ("gan", {"generator": ()}, "generator: 0 layers; must be from 1 to 12"),
    ("gan", {"generator": (8,) * 13}, "generator: 13 layers; must be from 1 to 12"),
    ("gan", {"epochs": "many"}, "epochs = many: give one like 250"),
    ("gan", {"epochs": True}, "epochs = True: give one like 250"),
    ("gan", {"learning_rate": None}, "learning_rate = None: give one like 0.001"),
    ("gan", {"generator": (8.5,)}, r"generator = \(8\.5,\): give one like \(64, 64\)"),
    ("gan", {"name": "../../home/holiday"}, "name '../../home/holiday': give letters, digits"),
    ("gan", {"name": ".hidden"}, "name '.hidden': give letters, digits"),
    ("gan", {"floor": 0.1}, r"floor = 0\.1, ceiling = 0: .* or give sampler gaussian with them"),
    ("vae", {"ceiling": 0.1}, r"floor = 0, ceiling = 0\.1: .* or give variance full with them"),
    ("vae-full", {"floor": 0.2, "ceiling": 0.1}, r"floor = 0\.2: not below the ceiling of 0\.1"),
    ("gan-best", {"sampler": "noise"}, "sampler = 'noise': choose one of map, gaussian"),
    ("vae", {"samples": 8}, "samples = 8: elbo takes one code a point; give objective iwae"),
    ("vae-iwae", {"beta": 2.0}, "beta = 2, beta_start = 1: iwae weighs no KL; leave them out"),
    ("autoencoder", {"beta_start": 0.0}, "beta = 1, beta_start = 0: autoencoder weighs no KL"),
    ("gan", {"beta": 2.0}, "beta: gan is a GAN, which has no such number; leave it out"),
    ("gan", {"precision": "bfloat16"}, "precision = bfloat16: on the plane .*; leave it out"),
    ("vae", {"beta": -1.0}, r"beta = -1\.0: must be from 0"),
]


@pytest.mark.parametrize(("name", "values", "message"), BAD)
def test_nonsense_is_refused_in_one_line_by_name_and_remedy(name, values, message):
    with pytest.raises(BadRecipe, match=message) as caught:
        changed(named(name), **values)
    assert "\n" not in str(caught.value)


# --------------------------------------------------------------------- plane and images


@pytest.mark.parametrize(
    ("name", "target", "message"),
    [
        ("gan-colour", targets.gmm5(), "gan-colour: a recipe for images, but gmm5 is .*plane;"),
        ("vae", IMAGES, "vae: a recipe for targets in the plane, but digits-28 is .*images;"),
    ],
)
def test_a_recipe_of_the_other_domain_is_refused_in_one_line(name, target, message):
    with pytest.raises(BadRecipe, match=f"{message}.*choose another target") as caught:
        recipes.check_domain(named(name), target)
    assert "\n" not in str(caught.value)


def test_each_recipe_is_accepted_by_the_targets_of_its_domain():
    """Those called after image datasets are for images, all others for the plane."""
    for recipe in ALL:
        images = any(name in recipe.name for name in ("digits", "colour", "faces"))
        assert recipe.domain == ("images" if images else "plane")
        recipes.check_domain(recipe, IMAGES if images else targets.gmm5())


# ---------------------------------------------------------------------- the named experiments


def test_the_assignments_numbers():
    vae, gan = named("vae"), named("gan")
    assert changed(gan, epochs=250) is gan
    custom = [changed(gan, epochs=epochs).name for epochs in (20, 21, 20)]
    assert re.fullmatch("gan-custom-[0-9a-f]{6}", custom[0])
    assert custom[0] == custom[2] != custom[1]  # each set of numbers has its own
    assert (vae.epochs, vae.batch, vae.encoder, vae.decoder) == (250, 128, (128, 64), (64, 128))
    assert (gan.epochs, gan.batch, gan.generator) == (250, 256, (64, 64))
    assert gan.discriminator == (128, 128)
    assert (vae.beta, vae.variance, gan.objective) == (1.0, "unit", "non-saturating")


@pytest.mark.parametrize("size", ["laptop", "tiny", "gpu"])
def test_every_start_is_a_vae_with_the_generators_widths(size):
    for recipe in (recipe for recipe in ALL if getattr(recipe, "start", "")):
        warm = at_preset(recipe, preset(size))
        source = named(warm.start)
        assert (source.family, source.domain) == ("vae", warm.domain)
        assert (source.decoder, source.latent) == (warm.generator, warm.latent)
        assert warm.activation == "relu"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("gan-bets", "gan-best, "),
        ("gan-face-warm", "gan-faces-warm, "),
        ("vae-bets", "vae-best, "),
        ("", ""),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_three(name, near):
    with pytest.raises(
        BadRecipe, match=f"^.{name}.: no such recipe; .*`python -m helpers list`"
    ) as e:
        named(name)
    assert f"did you mean {near}" in str(e.value) or not near
    assert str(e.value).count(", ") == (2 if near else 0)


# ---------------------------------------------------------------------------------- presets


@pytest.mark.parametrize("size", experiments.PRESETS)
def test_a_recipe_at_a_preset_is_found_by_its_name_and_passes_its_own_bounds(size):
    for recipe in ALL:
        found = at_preset(recipe, preset(size))
        assert (found is recipe) == (size == "laptop")
        assert named(found.name) == found
        assert named(f"{recipe.name}-{size}") == found

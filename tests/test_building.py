"""From recipe to networks and settings: sizes as the assignment has them, the same map twice."""

import pytest
import torch
from small import recipe as small

from helpers import building, experiments, objectives, recipes
from helpers.models import parameters
from helpers.schedules import Constant, Cosine, Geometric, Linear
from helpers.targets import GaussianMixture, gmm5

TARGET = gmm5()
POINTS = TARGET.sample(500, torch.Generator().manual_seed(1))


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_assignments_networks_have_its_sizes():
    vae = building.build_vae(experiments.named("vae"), TARGET, POINTS, rng())
    generator, critic = building.build_gan(experiments.named("gan"), TARGET, POINTS, rng())
    # widths n to m: n·m weights and m biases; an ActNorm has 2 numbers a unit
    linear = [(2, 128), (128, 64), (64, 4), (2, 64), (64, 128), (128, 2)]
    assert parameters(vae) == sum(n * m + m for n, m in linear) + 2 * (128 + 64) == 18_054
    assert parameters(generator) == 3 * 64 + 65 * 64 + 65 * 2 == 4_482
    assert parameters(critic) == 3 * 128 + 129 * 128 + 129 + 2 * (128 + 128) == 17_537


def test_one_seed_gives_one_network_and_another_a_different_one():
    one, two, other = (
        building.build_gan(experiments.named("gan"), TARGET, POINTS, rng(seed))[0](torch.ones(1, 2))
        for seed in (3, 3, 4)
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_in_network_coordinates_the_target_has_mean_zero_and_unit_scale():
    location, scale = building.standard(TARGET)
    x = TARGET.sample(200_000, rng()).double()
    u = (x - location) / scale
    assert u.mean(0).tolist() == pytest.approx([0, 0], abs=0.01)
    assert u.std(0).tolist() == pytest.approx([1, 1], abs=0.01)


@pytest.mark.parametrize("recipe", experiments.RECIPES.values(), ids=lambda recipe: recipe.name)
def test_every_recipe_has_an_objective_of_its_family(recipe):
    found = building.objective(recipe)
    assert type(found) is building.OBJECTIVES[recipe.objective]
    if recipe.family == "vae":
        assert found.samples == recipe.samples


def test_settings_say_what_the_recipe_says():
    vae = building.settings(experiments.named("vae-beta-linear"))
    assert (vae.epochs, vae.batch, vae.rate, vae.weight) == (20, 512, Cosine(2e-3), Linear(0, 1))
    gan = building.settings(experiments.named("gan"))
    assert (gan.weight, gan.betas, gan.average) == (Constant(0.0), (0.0, 0.99), 0.999)
    relativistic = building.settings(experiments.named("gan-relativistic"))
    assert relativistic.weight == Geometric(0.02, 0.001)
    assert building.settings(experiments.named("gan-wgan-gp")).critic_steps == 5
    assert isinstance(
        building.objective(experiments.named("gan-wgan-gp")), objectives.WassersteinGP
    )


@pytest.mark.parametrize("name", ["vae", "gan"])
@pytest.mark.parametrize("fast", [True, False])
def test_settings_pass_on_whether_to_compile(name, fast):
    assert building.settings(experiments.named(name), fast).fast is fast


@pytest.mark.parametrize("variance", ["unit", "scale", "full"])
def test_a_warm_generator_is_the_decoders_mean_map(variance):
    vae = building.build_vae(small("vae", variance=variance), TARGET, POINTS, rng(1))
    cold, _ = building.build_gan(small(activation="relu"), TARGET, POINTS, rng(2))
    z = torch.randn(100, 2, generator=rng(3))
    assert not torch.allclose(cold(z), vae.decode(z))
    building.start_from_decoder(cold, vae.decoder)
    assert torch.equal(cold(z), vae.decode(z))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"generator": (9,)}, "generator 2-9-2 ReLU and decoder 2-8-2 ReLU differ"),
        ({"generator": (8, 8)}, "generator 2-8-8-2 ReLU and decoder 2-8-2 ReLU differ"),
        ({"latent": 3}, "generator 3-8-2 ReLU and decoder"),
        ({"activation": "leaky"}, "generator 2-8-2 LeakyReLU and decoder 2-8-2 ReLU differ"),
    ],
)
def test_a_generator_of_another_form_cannot_start_warm(values, message):
    vae = building.build_vae(small("vae"), TARGET, POINTS, rng(1))
    network, _ = building.build_gan(
        small(**{"activation": "relu", **values}), TARGET, POINTS, rng()
    )
    before = network(torch.ones(1, network.latent))
    with pytest.raises(recipes.BadRecipe, match=message):
        building.start_from_decoder(network, vae.decoder)
    assert torch.equal(network(torch.ones(1, network.latent)), before)


def test_a_target_far_away_and_stretched_starts_as_well():
    covariance = torch.diag(torch.tensor([100.0, 0.01], dtype=torch.float64))[None]
    one = torch.ones(1, dtype=torch.float64)
    far = GaussianMixture("far", one, torch.tensor([[1e3, -5.0]]).double(), covariance)
    generator, critic = building.build_gan(
        experiments.named("gan"), far, far.sample(500, rng()), rng()
    )
    out = generator(torch.randn(500, 2, generator=rng()))
    z = (out - far.mean) / far.std
    assert z.abs().max() < 5
    assert critic(far.sample(500, rng())).abs().max() < 20

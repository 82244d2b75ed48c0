"""From recipe to networks and settings: sizes as the assignment has them, the same map twice."""

import pytest
import torch
from small import recipe as small

from helpers import building, experiments, objectives, recipes, training
from helpers.galleries import Gallery
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


FACES = Gallery("faces", 16, 3)
TINY = {"batch": 4, "latent": 3}


def image_vae(**values):
    first = recipes.changed(experiments.named("vae-faces"), encoder=(4, 6), decoder=(6, 4), **TINY)
    return building.build_vae(recipes.changed(first, **values), FACES, POINTS, rng(1))


def image_gan(**values):
    base = experiments.named("gan-faces-cold")
    chosen = recipes.changed(base, generator=(6, 4), critic=(4,), **TINY)
    return building.build_gan(recipes.changed(chosen, **values), FACES, POINTS, rng(2))[0]


@pytest.mark.parametrize("variance", ["unit", "scale", "bernoulli"])
def test_a_warm_generator_of_images_is_the_decoders_mean_map(variance):
    vae, network = image_vae(variance=variance), image_gan()
    z = torch.randn(5, 3, generator=rng(3))
    assert not torch.allclose(network(z), vae.decode(z))
    building.start_from_decoder(network, vae.decoder)
    torch.testing.assert_close(network(z), vae.decode(z))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"generator": (6, 5)}, "generator 3-96-5-3 .* and decoder 3-96-4-3 "),
        ({"generator_norm": "pixel"}, "PixelNorm.*on images no norm"),
    ],
)
def test_a_generator_of_images_of_another_form_cannot_start_warm(values, message):
    with pytest.raises(recipes.BadRecipe, match=message):
        building.start_from_decoder(image_gan(**values), image_vae().decoder)


def test_frozen_layers_are_no_parameters_and_still_start_warm():
    free, network, vae = image_gan(), image_gan(frozen=1), image_vae()
    names = {name for name, _ in free.named_parameters()}
    kept = {name for name, _ in network.named_parameters()}
    assert names - kept == {"net.0.weight", "net.0.bias"}
    assert network.state_dict().keys() == free.state_dict().keys()
    building.start_from_decoder(network, vae.decoder)
    assert torch.equal(network.net[0].weight, vae.decoder.net[0].weight)


def test_training_leaves_frozen_layers_as_they_were():
    recipe = small(activation="relu", frozen=1, epochs=1, batch=64)
    network, critic = building.build_gan(recipe, TARGET, POINTS, rng(2))
    before = {name: values.clone() for name, values in network.state_dict().items()}
    parts = (building.objective(recipe), POINTS, POINTS, building.settings(recipe, fast=False))
    list(training.train_gan(network, critic, *parts, generator=rng(4)))
    moved = {name for name, v in network.state_dict().items() if not torch.equal(v, before[name])}
    assert moved == {"net.2.weight", "net.2.bias"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"leak": 0.1, "activation": "relu"}, "leak = 0.1: a relu has none"),
        ({"generator_norm": "none"}, "generator_norm = none: for images"),
    ],
)
def test_a_number_that_would_do_nothing_is_refused(values, message):
    with pytest.raises(recipes.BadRecipe, match=message):
        building.build_gan(small(**values), TARGET, POINTS, rng(2))


def test_not_every_layer_can_be_frozen():
    with pytest.raises(recipes.BadRecipe, match="frozen = 3: the generator has 3 layers"):
        recipes.changed(experiments.named("gan"), frozen=3)


def test_the_leak_is_the_slope_below_zero_of_the_generator_alone():
    network, critic = building.build_gan(small(leak=0.01), TARGET, POINTS, rng(2))
    slopes = [
        [layer.negative_slope for layer in net.net if isinstance(layer, torch.nn.LeakyReLU)]
        for net in (network, critic)
    ]
    assert set(slopes[0]) == {0.01}
    assert set(slopes[1]) == {0.2}

"""The networks: sizes counted by hand, densities against torch.distributions, fresh weights."""

import math

import pytest
import torch
from small import recipe as small
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from helpers import experiments, models
from helpers.targets import GaussianMixture, gmm5

STANDARD = models.Standard(torch.tensor([0.5, -1.0]), torch.tensor([2.0, 3.0]))
TARGET = gmm5()
POINTS = TARGET.sample(500, torch.Generator().manual_seed(1))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def networks(recipe, seed: int = 0, target=TARGET, points=POINTS) -> tuple[nn.Module, ...]:
    return target.networks(recipe, points, rng(seed))


def gaussian(generator, n=40, d=3) -> models.Gaussian:
    draws = torch.randn(2, n, d, generator=generator, dtype=torch.float64)
    return models.Gaussian(draws[0], 0.7 * draws[1])


def one_scale(generator, n=40) -> models.Gaussian:
    """One scale for all dimensions, which counts once in each."""
    return models.Gaussian(torch.randn(n, 3, generator=generator).double(), torch.tensor([0.3]))


def plane_gaussian(generator, n=40) -> models.PlaneGaussian:
    draws = torch.randn(5, n, generator=generator, dtype=torch.float64)
    return models.PlaneGaussian(draws[:2].T, 0.7 * draws[2:4].T, draws[4])


def as_torch(p: models.Gaussian | models.PlaneGaussian):
    """The same distribution as torch writes it."""
    if isinstance(p, models.Gaussian):
        return Independent(Normal(p.mean, p.log_scale.exp().expand(p.mean.shape)), 1)
    lower = torch.diag_embed(p.log_diagonal.exp())
    lower[..., 1, 0] = p.below
    return MultivariateNormal(p.mean, scale_tril=lower)


# ---------------------------------------------------------------------------------- densities


@pytest.mark.parametrize("make", [gaussian, one_scale, plane_gaussian])
def test_log_density_is_that_of_torch(make, generator):
    p = make(generator)
    x = p.mean + 2 * torch.randn(p.mean.shape, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(p.log_prob(x), as_torch(p).log_prob(x))


def test_kl_to_the_prior_is_that_of_torch(generator):
    p = gaussian(generator)
    prior = Independent(Normal(torch.zeros_like(p.mean), 1.0), 1)
    torch.testing.assert_close(p.kl_to_prior(), kl_divergence(as_torch(p), prior))


@pytest.mark.parametrize("make", [gaussian, plane_gaussian])
def test_samples_have_the_mean_and_covariance(make, generator):
    p = make(generator, n=1)
    d, n = p.mean.shape[-1], 100_000
    x = p.sample(torch.randn(n, d, generator=generator, dtype=torch.float64))
    covariance = as_torch(p).covariance_matrix[0] if d == 2 else as_torch(p).variance[0].diag()
    size = covariance.diagonal().max().item()
    torch.testing.assert_close(x.mean(0), p.mean[0], atol=5 * math.sqrt(size / n), rtol=0)
    torch.testing.assert_close(x.T.cov(), covariance, atol=8 * size / math.sqrt(n), rtol=0)


def test_gradient_flows_through_a_sample(generator):
    """d/dm E z² = 2m and d/ds E z² = 2e^{2s}, seen through the reparameterisation."""
    mean, log_scale = (torch.tensor([v], requires_grad=True) for v in (0.8, -0.3))
    noise = torch.randn(200_000, 1, generator=generator)
    models.Gaussian(mean, log_scale).sample(noise).square().mean().backward()
    assert mean.grad.item() == pytest.approx(2 * 0.8, abs=0.02)
    assert log_scale.grad.item() == pytest.approx(2 * math.exp(-0.6), abs=0.02)


# ------------------------------------------------------------------------------------- layers


def test_every_actnorm_of_a_fresh_network_is_measured(generator):
    net = models.mlp((2, 8, 6, 1), nn.ReLU(), normalise=True)
    u = torch.randn(300, 2, generator=generator) * torch.tensor([0.1, 30]) + 7
    models.initialise(net, generator, u)
    for layer in net:
        u = layer(u)
        if isinstance(layer, models.ActNorm):
            torch.testing.assert_close(u.mean(0), torch.zeros(u.shape[1]), atol=1e-4, rtol=0)
            torch.testing.assert_close(u.std(0), torch.ones(u.shape[1]), atol=1e-4, rtol=0)
    assert [type(layer) for layer in net] == [nn.Linear, models.ActNorm, nn.ReLU] * 2 + [nn.Linear]


def test_fresh_weights_come_from_the_generator_alone():
    net, u = models.mlp((2, 64, 64, 1), nn.ReLU()), torch.zeros(1, 2)
    before = torch.random.get_rng_state()
    draws = []
    for seed in (1, 1, 2):
        models.initialise(net, rng(seed), u)
        draws.append(nn.utils.parameters_to_vector(net.parameters()))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_fresh_weights_fill_the_range_of_their_fan_in(generator):
    net = models.mlp((2, 100, 80, 1), nn.ReLU())
    models.initialise(net, generator, torch.zeros(1, 2))
    weight = net[2].weight.detach()  # fan-in 100: uniform on ±0.1, so std 0.1/√3
    assert 0.0999 < weight.abs().max().item() <= 0.1
    assert weight.std().item() == pytest.approx(0.1 / math.sqrt(3), rel=0.03)


# ----------------------------------------------------------------------------------- networks


def test_encoder_reads_standardised_points_and_halves_the_log_variance(generator):
    encoder = models.Encoder(STANDARD, (8,), 3)
    x = torch.randn(5, 2, generator=generator)
    out = encoder.net((x - STANDARD.location) / STANDARD.scale)
    torch.testing.assert_close(encoder(x).mean, out[:, :3])
    torch.testing.assert_close(torch.exp(2 * encoder(x).log_scale), out[:, 3:].exp())


def test_discriminator_reads_standardised_points_and_gives_one_number_a_point(generator):
    discriminator = models.Discriminator(STANDARD, (8,))
    x = torch.randn(7, 2, generator=generator)
    expected = discriminator.net((x - STANDARD.location) / STANDARD.scale).squeeze(1)
    assert discriminator(x).shape == (7,)
    torch.testing.assert_close(discriminator(x), expected)


@pytest.mark.parametrize(("variance", "more"), [("unit", 0), ("scale", 1), ("full", 3 * (5 + 1))])
def test_a_decoders_variance_costs_what_it_should(variance, more):
    plain = 2 * 5 + 5 + 5 * 2 + 2
    decoder = models.Decoder(STANDARD, (5,), 2, variance)
    assert models.count_parameters(decoder) == plain + more


def test_a_full_decoder_that_says_nothing_starts_at_a_tenth_of_the_data():
    decoder = models.Decoder(STANDARD, (4,), 2, "full")
    for p in decoder.net.parameters():
        nn.init.zeros_(p)
    p = as_torch(decoder(torch.zeros(1, 2)))
    torch.testing.assert_close(p.mean[0], STANDARD.location)
    torch.testing.assert_close(p.stddev[0], 0.1 * STANDARD.scale)


def test_a_full_decoders_density_is_that_of_standardised_points_times_the_stretch(generator):
    """Change of variables: log p(x) = log p(u) − log |scale| with x = location + scale · u."""
    plain = models.Decoder(models.Standard(torch.zeros(2), torch.ones(2)), (8,), 2, "full")
    decoder = models.Decoder(STANDARD, (8,), 2, "full")
    models.initialise(plain.net, generator, torch.zeros(1, 2))
    decoder.net.load_state_dict(plain.net.state_dict())
    z, u = torch.randn(2, 6, 2, generator=generator)
    expected = plain(z).log_prob(0.1 * u) - STANDARD.scale.log().sum()
    torch.testing.assert_close(decoder(z).log_prob(decoder.restore(0.1 * u)), expected)


def test_unit_variance_is_a_squared_error(generator):
    decoder = models.Decoder(STANDARD, (4,), 2, "unit")
    z, x = torch.randn(2, 6, 2, generator=generator)
    error = 0.5 * (x - decoder(z).mean).square().sum(-1) + math.log(2 * math.pi)
    torch.testing.assert_close(-decoder(z).log_prob(x), error)


@pytest.mark.parametrize("variance", ["unit", "scale", "full"])
def test_a_vae_draws_with_its_decoders_noise(variance, generator):
    decoder = models.Decoder(STANDARD, (4,), 2, variance)
    models.initialise(decoder.net, generator, torch.zeros(1, 2))
    vae = models.VAE(models.Encoder(STANDARD, (4,), 2), decoder, 2)
    z = torch.tensor([[0.3, -0.2]]).expand(40_000, 2)
    with torch.no_grad():
        drawn, spread = vae.draw(z, generator), as_torch(decoder(z[:1])).stddev[0]
        torch.testing.assert_close(drawn.std(0), spread, rtol=0.03, atol=0)
        torch.testing.assert_close(vae.decode(z[:1]), decoder(z[:1]).mean)


@pytest.mark.parametrize("activation", ["relu", "leaky"])
def test_a_gaussian_generator_is_a_decoder_with_its_noise_as_input(activation, generator):
    decoder = models.Decoder(STANDARD, (8,), 3, "full", activation)
    models.initialise(decoder.net, generator, torch.zeros(1, 3))
    network = models.GaussianGenerator(decoder, 3)
    z, noise = torch.randn(7, 3, generator=generator), torch.randn(7, 2, generator=generator)
    expected = decoder(z).mean + (as_torch(decoder(z)).scale_tril @ noise[..., None])[..., 0]
    torch.testing.assert_close(network(torch.cat([z, noise], 1)), expected)
    torch.testing.assert_close(network.decode(z), decoder(z).mean)
    drawn = network.draw(z, rng(4))
    torch.testing.assert_close(
        drawn, network(torch.cat([z, torch.randn(7, 2, generator=rng(4))], 1))
    )


def test_a_floor_and_a_ceiling_bound_the_noise_and_leave_what_lies_between(generator):
    plain = models.Decoder(STANDARD, (8,), 2, "full")
    bounded = models.Decoder(STANDARD, (8,), 2, "full", floor=0.02, ceiling=0.5)
    z = torch.randn(500, 2, generator=generator)
    for stretch in (1.0, 30.0):  # entries of L from e^−30 to e^30
        models.initialise(plain.net, rng(2), torch.zeros(1, 2))
        plain.net[-1].weight.data *= stretch
        bounded.net.load_state_dict(plain.net.state_dict())
        share = bounded(z).log_diagonal.exp() / STANDARD.scale  # (500, 2)
        assert 0.02 <= share.min() < share.max() <= 0.5001
        assert bounded(z).below.abs().max() <= 0.5001 * STANDARD.scale[1]
    assert share.min() < 0.021
    assert share.max() > 0.499
    models.initialise(plain.net, rng(2), torch.zeros(1, 2))
    loose = models.Decoder(STANDARD, (8,), 2, "full", floor=1e-6, ceiling=1e3)
    loose.net.load_state_dict(plain.net.state_dict())
    x = torch.randn(500, 2, generator=generator)
    torch.testing.assert_close(loose(z).log_prob(x), plain(z).log_prob(x), rtol=1e-3, atol=1e-3)


# -------------------------------------------------------------------- networks from a recipe


def test_the_assignments_networks_have_its_sizes():
    (vae,) = networks(experiments.named("vae"))
    generator, discriminator = networks(experiments.named("gan"))
    # widths n to m: n·m weights and m biases; an ActNorm has 2 numbers a unit
    linear = [(2, 128), (128, 64), (64, 4), (2, 64), (64, 128), (128, 2)]
    expected = sum(n * m + m for n, m in linear) + 2 * (128 + 64)
    assert models.count_parameters(vae) == expected == 18_054
    assert models.count_parameters(generator) == 3 * 64 + 65 * 64 + 65 * 2 == 4_482
    expected = 3 * 128 + 129 * 128 + 129 + 2 * (128 + 128)
    assert models.count_parameters(discriminator) == expected == 17_537


@pytest.mark.parametrize("name", ["vae", "gan"])
def test_networks_see_the_target_with_mean_zero_and_unit_scale(name):
    x = TARGET.sample(200_000, rng())
    for network in networks(experiments.named(name)):
        part = getattr(network, "encoder", network)
        assert part.standardise(x).mean(0).tolist() == pytest.approx([0, 0], abs=0.01)
        assert part.standardise(x).std(0).tolist() == pytest.approx([1, 1], abs=0.01)


def test_a_target_far_away_and_stretched_starts_as_well():
    covariance = torch.diag(torch.tensor([100.0, 0.01], dtype=torch.float64))[None]
    one = torch.ones(1, dtype=torch.float64)
    far = GaussianMixture("far", one, torch.tensor([[1e3, -5.0]]).double(), covariance)
    points = far.sample(500, rng())
    generator, discriminator = networks(experiments.named("gan"), target=far, points=points)
    z = (generator(torch.randn(500, 2, generator=rng())) - far.mean) / far.std
    assert z.abs().max() < 5
    assert discriminator(points).abs().max() < 20


@pytest.mark.parametrize("norm", ["actnorm", "none"])
def test_a_discriminator_starts_the_same_with_an_actnorm_and_without(norm):
    """The norms start as the identity; only training tells the two kinds apart."""
    _, discriminator = networks(small(discriminator_norm=norm))
    layers = [layer for layer in discriminator.net if isinstance(layer, nn.Linear)]
    hidden = nn.functional.leaky_relu(layers[0](discriminator.standardise(POINTS)), 0.2)
    torch.testing.assert_close(discriminator(POINTS), layers[1](hidden)[:, 0])
    norms = [layer for layer in discriminator.net if isinstance(layer, models.ActNorm)]
    assert len(norms) == {"actnorm": 1, "none": 0}[norm]


def test_the_leak_is_the_slope_below_zero_of_the_generator_alone():
    slopes = [
        {layer.negative_slope for layer in network.net if isinstance(layer, nn.LeakyReLU)}
        for network in networks(small(leak=0.01))
    ]
    assert slopes == [{0.01}, {0.2}]


def test_frozen_layers_keep_their_names_and_do_not_learn():
    free, _ = networks(small(activation="relu"))
    network, _ = networks(small(activation="relu", frozen=1, start="vae"))
    assert network.state_dict().keys() == free.state_dict().keys()
    assert models.count_parameters(network) == models.count_parameters(free) - (2 * 8 + 8)
    before = {name: values.clone() for name, values in network.state_dict().items()}
    network(torch.ones(4, 2)).square().sum().backward()
    torch.optim.SGD(network.parameters(), lr=0.1).step()
    moved = {name for name, v in network.state_dict().items() if not torch.equal(v, before[name])}
    assert moved == {"net.2.weight", "net.2.bias"}


@pytest.mark.parametrize("variance", ["unit", "scale", "full"])
@pytest.mark.parametrize("frozen", [0, 1])
def test_a_warm_generator_is_the_decoders_mean_map(variance, frozen):
    (vae,) = networks(small("vae", variance=variance), seed=1)
    network, _ = networks(small(activation="relu", frozen=frozen, start="vae"), seed=2)
    z = torch.randn(100, 2, generator=rng(3))
    assert not torch.allclose(network(z), vae.decode(z))
    models.start_from_decoder(network, vae.decoder)
    torch.testing.assert_close(network(z), vae.decode(z))


def test_a_warm_gaussian_generator_has_the_decoders_noise_too():
    (vae,) = networks(small("vae", variance="full"), seed=1)
    network, _ = networks(small(activation="relu", sampler="gaussian", start="vae"), seed=2)
    models.start_from_decoder(network, vae.decoder)
    z = torch.randn(100, 2, generator=rng(3))
    torch.testing.assert_close(network.draw(z, rng(4)), vae.draw(z, rng(4)))
    (other,) = networks(small("vae"), seed=1)
    with pytest.raises(models.BadNetwork, match="noise full, floor 0, ceiling 0 cannot start from"):
        models.start_from_decoder(network, other.decoder)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"generator": (9,)}, "generator 2-9-2 ReLU and decoder 2-8-2 ReLU differ; give the"),
        ({"generator": (8, 8)}, "generator 2-8-8-2 ReLU and decoder 2-8-2 ReLU differ"),
        ({"latent": 3}, "generator 3-8-2 ReLU and decoder"),
        ({"activation": "leaky"}, "generator 2-8-2 LeakyReLU and decoder 2-8-2 ReLU differ"),
    ],
)
def test_a_generator_of_another_form_cannot_start_warm_and_stays_as_it_is(values, message):
    (vae,) = networks(small("vae"), seed=1)
    network, _ = networks(small(**{"activation": "relu", **values}))
    before = network(torch.ones(1, network.latent))
    with pytest.raises(models.BadNetwork, match=message) as caught:
        models.start_from_decoder(network, vae.decoder)
    assert "\n" not in str(caught.value)
    assert torch.equal(network(torch.ones(1, network.latent)), before)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("vae", {"variance": "bernoulli"}, "variance = bernoulli: for images; .*take unit, scale"),
        ("gan", {"generator_norm": "none"}, "generator_norm = none: for images; in the plane"),
    ],
)
def test_what_only_images_have_is_refused_in_the_plane(name, values, message):
    with pytest.raises(models.BadNetwork, match=message):
        networks(small(name, **values))

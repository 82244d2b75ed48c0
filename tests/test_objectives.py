"""Each objective against its paper, written a second way: torch.distributions, torch's losses."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal, kl_divergence

from helpers import experiments, objectives, recipes
from helpers.models import Gaussian

W, BIAS = torch.tensor([0.6, -1.1]), 0.3
POINT = torch.tensor([[0.0, 1.5]])  # where the posterior is poor
MIX = torch.tensor([[0.25], [0.5], [0.9], [0.0], [1.0], [0.7]])
NO_PENALTY = torch.tensor(0.0)
GANS = {
    "non-saturating": objectives.NonSaturating(),
    "least-squares": objectives.LeastSquares(),
    "wgan-gp": objectives.WassersteinGP(),
    "relativistic": objectives.Relativistic(),
}


def encoder(x):
    """A posterior that is wrong on purpose: (n, 2) to codes of size 1."""
    return Gaussian(0.4 * x[:, :1], 0.1 * x[:, 1:] - 0.8)


def decoder(z):
    """A curve in the plane: codes (..., 1) to (..., 2)."""
    return Gaussian(torch.cat([z, 0.5 * z.square()], -1), torch.full((2,), -0.2))


def narrow(scale: float):
    """The same codes with a posterior of the given standard deviation."""
    return lambda x: Gaussian(0.4 * x[:, :1], torch.full((len(x), 1), math.log(scale)))


def exact(p: Gaussian):
    """The same distribution as torch writes it."""
    return Independent(Normal(p.mean, p.log_scale.exp().expand(p.mean.shape)), 1)


def linear(x):
    return x @ W + BIAS


def silent(x):
    return 0 * x[:, 0]


def scaled(factor: float):
    """The linear discriminator with its scores multiplied."""
    return lambda x: factor * linear(x)


@pytest.fixture
def x(generator):
    return torch.randn(6, 2, generator=generator)


@pytest.fixture
def fake(generator):
    return torch.randn(6, 2, generator=generator.manual_seed(9)) + 1


def noise(samples: int, n: int = 6) -> torch.Tensor:
    return torch.randn(samples, n, 1, generator=torch.Generator().manual_seed(5))


# ------------------------------------------------------------------------------- autoencoders


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 4.0])
def test_elbo_is_its_textbook_form(x, beta):
    q, eps = exact(encoder(x)), noise(1)
    z = encoder(x).mean + encoder(x).log_scale.exp() * eps[0]
    reconstruction = -exact(decoder(z)).log_prob(x)
    kl = kl_divergence(q, Independent(Normal(torch.zeros(6, 1), 1.0), 1))
    terms = objectives.ELBO()(encoder, decoder, x, eps, torch.tensor(beta))
    torch.testing.assert_close(terms.loss, reconstruction + beta * kl)
    torch.testing.assert_close(terms.reconstruction, reconstruction)
    torch.testing.assert_close(terms.kl, kl)


def test_iwae_is_its_textbook_form(x):
    eps, q = noise(7), exact(encoder(x))
    z = encoder(x).sample(eps)
    prior = Independent(Normal(torch.zeros(1), 1.0), 1)
    ratio = exact(decoder(z)).log_prob(x) + prior.log_prob(z) - q.log_prob(z)  # (7, n)
    terms = objectives.IWAE(7)(encoder, decoder, x, eps, torch.tensor(1.0))
    torch.testing.assert_close(terms.loss, -ratio.exp().mean(0).log())


def bound(samples: int, draws: int) -> torch.Tensor:
    """The IWAE loss at one point, (draws,) independent values."""
    point = POINT.expand(draws, 2)
    kind = objectives.IWAE(samples)
    return kind(encoder, decoder, point, noise(samples, draws), torch.tensor(1.0)).loss


def test_iwae_with_one_code_is_the_elbo_on_average():
    point = POINT.expand(50_000, 2)
    kind = objectives.ELBO()
    elbo = kind(encoder, decoder, point, noise(1, 50_000), torch.tensor(1.0)).loss
    difference = bound(1, 50_000) - elbo  # same codes, the KL by sampling instead of by formula
    error = difference.std().item() / math.sqrt(len(difference))
    assert abs(difference.mean().item()) < 4 * error
    assert error < 0.01


def test_more_codes_tighten_the_bound_down_to_the_evidence():
    losses = [bound(k, 20_000).mean().item() for k in (1, 2, 8, 64)]
    z = torch.linspace(-8, 8, 4001, dtype=torch.float64)[:, None]
    joint = exact(decoder(z)).log_prob(POINT[0]) + Normal(0.0, 1.0).log_prob(z)[:, 0]
    evidence = -torch.trapezoid(joint.exp(), z[:, 0]).log().item()
    assert all(a > b for a, b in zip(losses, [*losses[1:], evidence], strict=True))
    assert losses[-1] == pytest.approx(evidence, abs=0.03)
    assert losses[0] > evidence + 0.1


def test_autoencoder_is_the_elbo_without_prior_as_the_noise_vanishes(x):
    zero, plain = torch.tensor(0.0), objectives.Autoencoder()
    expected = plain(narrow(1.0), decoder, x, noise(1), zero).loss
    gaps = [
        (objectives.ELBO()(narrow(s), decoder, x, noise(1), zero).loss - expected).abs().max()
        for s in (1.0, 1e-2, 1e-5)
    ]
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 1e-3


def test_autoencoder_ignores_noise_and_weight(x):
    plain = objectives.Autoencoder()
    one = plain(encoder, decoder, x, noise(1), torch.tensor(0.0))
    other = plain(encoder, decoder, x, -noise(1), torch.tensor(9.0))
    assert torch.equal(one.loss, other.loss)
    torch.testing.assert_close(one.loss, -exact(decoder(0.4 * x[:, :1])).log_prob(x))


# -------------------------------------------------------------------------- adversarial losses


def test_non_saturating_is_binary_cross_entropy(x, fake):
    entropy, gan = nn.BCEWithLogitsLoss(), objectives.NonSaturating()
    ones, zeros = torch.ones(6), torch.zeros(6)
    on_discriminator = gan.discriminator(linear, x, fake, MIX, NO_PENALTY)
    torch.testing.assert_close(
        on_discriminator, entropy(linear(x), ones) + entropy(linear(fake), zeros)
    )
    torch.testing.assert_close(gan.generator(linear, x, fake), entropy(linear(fake), ones))


def test_a_discriminator_that_says_nothing_pays_log_two_a_question(x, fake):
    """The cross-entropy asks a discriminator two questions (real, fake), all others one."""
    log2, cross, pairs = math.log(2), GANS["non-saturating"], GANS["relativistic"]
    assert cross.discriminator(silent, x, fake, MIX, NO_PENALTY).item() == pytest.approx(2 * log2)
    assert cross.generator(silent, x, fake).item() == pytest.approx(log2)
    assert pairs.discriminator(silent, x, fake, MIX, NO_PENALTY).item() == pytest.approx(log2)
    assert pairs.generator(silent, x, fake).item() == pytest.approx(log2)


def test_least_squares_is_half_the_squared_error_to_the_labels(x, fake):
    error, gan = nn.MSELoss(), objectives.LeastSquares()
    ones, zeros = torch.ones(6), torch.zeros(6)
    expected = 0.5 * (error(linear(x), ones) + error(linear(fake), zeros))
    torch.testing.assert_close(gan.discriminator(linear, x, fake, MIX, NO_PENALTY), expected)
    expected = 0.5 * error(linear(fake), ones)
    torch.testing.assert_close(gan.generator(linear, x, fake), expected)


@pytest.mark.parametrize("weight", [0.0, 0.1, 10.0])
def test_wasserstein_penalty_of_a_linear_critic(x, fake, weight):
    gan = objectives.WassersteinGP()
    value = gan.discriminator(linear, x, fake, MIX, torch.tensor(weight))
    means = ((fake - x) @ W).mean()
    torch.testing.assert_close(value, means + weight * (W.norm() - 1) ** 2)
    torch.testing.assert_close(gan.generator(linear, x, fake), -(fake @ W).mean() - BIAS)


def test_wasserstein_penalty_is_taken_between_partners(x, fake):
    """With a critic ‖x‖²/2 the slope at a point is its own length."""

    def bowl(points):
        return 0.5 * points.square().sum(-1)

    between = MIX * x + (1 - MIX) * fake
    expected = (between.norm(dim=1) - 1).square().mean()
    gan = objectives.WassersteinGP()
    both = [gan.discriminator(bowl, x, fake, MIX, torch.tensor(w)) for w in (1.0, 0.0)]
    torch.testing.assert_close(both[0] - both[1], expected)


def test_relativistic_scores_differences_of_partners(x, fake):
    entropy, ones = nn.BCEWithLogitsLoss(), torch.ones(6)
    gan, gap = objectives.Relativistic(), linear(x) - linear(fake)
    value = gan.discriminator(linear, x, fake, MIX, NO_PENALTY)
    torch.testing.assert_close(value, entropy(gap, ones))
    torch.testing.assert_close(gan.generator(linear, x, fake), entropy(-gap, ones))


def test_relativistic_adds_r1_and_r2(x, fake):
    gan = objectives.Relativistic()
    both = [gan.discriminator(linear, x, fake, MIX, torch.tensor(w)) for w in (0.3, 0.0)]
    torch.testing.assert_close(both[0] - both[1], 0.3 * W.square().sum())  # a half from each


# ------------------------------------------------------------------------------------- units


@pytest.mark.parametrize(("unit", "degree"), [("score", 1), ("squared score", 2)])
def test_a_loss_in_scores_grows_with_that_power_of_them(unit, degree, x, fake):
    """Over scores times 0, 1, 2, ... differences vanish above that degree, and not at it."""
    (gan,) = (gan for gan in GANS.values() if gan.unit == unit)
    parts = [(scaled(factor), x, fake) for factor in range(degree + 2)]
    for losses in (
        torch.stack([gan.discriminator(*part, MIX, NO_PENALTY) for part in parts]),
        torch.stack([gan.generator(*part) for part in parts]),
    ):
        assert losses.diff(n=degree + 1).abs().item() < 1e-4
        assert (losses.diff(n=degree).abs() > 0.01).all()


def test_a_loss_in_nats_is_minus_the_logarithm_of_a_probability(x, fake):
    """Those of a fake that passes and of one that does not add up to one, whatever the score."""
    found = [gan for gan in GANS.values() if gan.unit == "nats"]
    assert len(found) == 2
    for gan in found:
        passes = gan.generator(linear, x[:1], fake[:1])
        other = gan.generator(scaled(-1), x[:1], fake[:1])
        assert ((-passes).exp() + (-other).exp()).item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "kind", [objectives.ELBO, objectives.IWAE, objectives.Autoencoder], ids=lambda k: k.__name__
)
def test_a_loss_in_nats_adds_the_logarithm_when_data_are_stretched(kind, x):
    """Data and decoder in units e times as small: a density in the plane is e² times as low."""
    assert kind.unit == "nats"

    def stretched(z):
        return Gaussian(math.e * decoder(z).mean, decoder(z).log_scale + 1)

    eps, one = noise(kind().samples), torch.tensor(1.0)
    there = kind()(lambda points: encoder(points / math.e), stretched, math.e * x, eps, one)
    here = kind()(encoder, decoder, x, eps, one)
    torch.testing.assert_close(there.loss, here.loss + 2)


# ---------------------------------------------------------------------------------- gradients


def test_zero_centred_penalty_in_closed_form(x):
    matrix = torch.tensor([[2.0, 0.5], [0.5, -1.0]])
    torch.testing.assert_close(objectives.zero_centred(linear, x), 0.5 * W.square().sum())
    value = objectives.zero_centred(lambda p: 0.5 * ((p @ matrix) * p).sum(-1), x)
    torch.testing.assert_close(value, 0.5 * (x @ matrix).square().sum(-1).mean())


def test_input_gradient_is_autograds_and_can_be_differentiated_again(x):
    net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1), nn.Flatten(0))
    points = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(net(points).sum(), points, create_graph=True)
    found = objectives.input_gradient(net, x)
    torch.testing.assert_close(found, expected)
    twice = [torch.autograd.grad(g.square().sum(), net[0].weight)[0] for g in (found, expected)]
    torch.testing.assert_close(*twice)


@pytest.mark.parametrize("name", GANS)
def test_each_network_pulls_its_own_way(name, x, fake):
    """A discriminator gains by raising real above fake; a generator by climbing its scores."""
    gan, slope = GANS[name], torch.zeros(2, requires_grad=True)
    gan.discriminator(lambda p: p @ slope, x, fake, MIX, NO_PENALTY).backward()
    assert torch.dot(-slope.grad, x.mean(0) - fake.mean(0)) > 0
    moved = fake.clone().requires_grad_()
    gan.generator(lambda p: 0.1 * (p @ W), x, moved).backward()
    assert (-moved.grad @ W > 0).all()


# --------------------------------------------------------------------------- from a recipe


def test_every_recipe_has_the_objective_it_names_of_its_own_family():
    for recipe in experiments.RECIPES.values():
        found = objectives.build(recipe)
        assert type(found) is objectives.BY_NAME[recipe.objective]
        assert hasattr(found, "generator") == (recipe.family == "gan")
    three = recipes.changed(experiments.named("vae-best"), samples=3)
    assert objectives.build(three) == objectives.IWAE(3)


PLAIN_LOSSES = (objectives.NonSaturating, objectives.LeastSquares)


@pytest.mark.parametrize("kind", PLAIN_LOSSES)
def test_the_first_objectives_have_r1_where_they_look_at_a_share(kind, x, fake):
    """Of D(x) = Σ x³ the squared slope is 9 Σ x⁴ (Mescheder et al. 2018, eq. 9)."""

    def bent(points):
        return points.pow(3).sum(1)

    plain = kind().discriminator(bent, x, fake, 0.5, 0.7)
    r1 = 0.5 * (9 * x.pow(4)).sum(1).mean()
    assert torch.allclose(kind(1.0).discriminator(bent, x, fake, 0.5, 0.7), plain + 0.7 * r1)
    assert torch.equal(plain, kind(1.0).discriminator(bent, x, fake, 0.5, 0.0))


@pytest.mark.parametrize("kind", [objectives.WassersteinGP, objectives.Relativistic, *PLAIN_LOSSES])
def test_a_penalty_on_a_share_of_the_batch_is_that_of_its_first_points(kind, x, fake):
    mix = torch.rand(len(x), 1, generator=torch.Generator().manual_seed(3))
    half = len(x) // 2

    def bent(points):  # slopes differ from point to point
        return points.pow(3).sum(1)

    def penalty(share, points, fakes, mixed):
        loss = kind(share).discriminator
        return loss(bent, points, fakes, mixed, 1.0) - loss(bent, points, fakes, mixed, 0.0)

    part = penalty(half / len(x), x, fake, mix)
    assert torch.allclose(part, penalty(1.0, x[:half], fake[:half], mix[:half]), atol=1e-5)
    assert not torch.allclose(part, penalty(1.0, x, fake, mix), atol=1e-4)
    assert penalty(1e-9, x, fake, mix) == pytest.approx(
        penalty(1.0, x[:1], fake[:1], mix[:1]).item(), abs=1e-5
    )

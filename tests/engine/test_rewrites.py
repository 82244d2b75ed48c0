"""Each rule against PyTorch's own operation, and folded networks against the networks."""

import pytest
import torch
from steps import STANDARD
from torch import nn
from torch.func import grad
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.functional import linear

from helpers import models
from helpers.engine import rewrites
from helpers.engine.rewrites import (
    LARGE,
    affine,
    bound,
    bound_folded,
    column_sums,
    merged,
    normed,
    power,
    product,
    rules,
)

aten = torch.ops.aten


def normal(generator, *shape):
    return torch.randn(shape, generator=generator, dtype=torch.float64)


# ------------------------------------------------------------------------------------- rules


@pytest.mark.parametrize("inputs", [1, 2, 3, 9])
def test_linear_layers_in_other_words_are_still_linear_layers(generator, inputs):
    values = [normal(generator, *shape) for shape in ((4,), (5, inputs), (inputs, 4))]
    torch.testing.assert_close(affine(*values), torch.addmm(*values))


@pytest.mark.parametrize("columns", [1, 2, 4])
def test_a_product_of_few_columns_goes_the_other_way_round(generator, columns):
    x, slope = normal(generator, LARGE, 9), normal(generator, LARGE, columns)
    found = product(x.t(), slope)
    torch.testing.assert_close(found, x.t() @ slope)
    assert found.stride() == (1, 9)  # it was computed transposed


def test_a_weight_read_across_its_rows_is_laid_out_anew(generator):
    slope, weight = normal(generator, LARGE, 7), normal(generator, 9, 7)
    torch.testing.assert_close(product(slope, weight.t()), slope @ weight.t())


@pytest.mark.parametrize("keepdim", [True, False])
def test_sums_in_groups_are_sums(generator, keepdim):
    x = normal(generator, 2 * LARGE, 5)
    torch.testing.assert_close(column_sums(x, [0], keepdim), x.sum(0, keepdim))


@pytest.mark.parametrize("base", [0.5, 0.9, 0.999])
def test_powers_are_powers_over_a_long_training(base):
    for step in (1.0, 7.0, 1_000.0, 200_000.0):
        found, exact = power(base, torch.tensor(step)), base**step
        assert found.item() == pytest.approx(exact, rel=1e-4, abs=1e-12)


def zeros(*shape):
    return torch.zeros(shape)


LEFT_ALONE = {
    "a small batch": lambda: product(zeros(LARGE - 1, 7), zeros(9, 7).t()),
    "few rows in all": lambda: product(zeros(9, LARGE - 1), zeros(2, LARGE - 1).t()),
    "few rows left": lambda: product(zeros(2, LARGE), zeros(2, LARGE).t()),
    "a weight that lies well": lambda: product(zeros(LARGE, 7), zeros(7, 9)),
    "a sum of few rows": lambda: column_sums(zeros(LARGE - 1, 5), [0]),
    "rows that make no groups": lambda: column_sums(zeros(LARGE + 1, 5), [0]),
    "a sum over columns": lambda: column_sums(zeros(LARGE, 5), [1]),
    "a sum of one column": lambda: column_sums(zeros(LARGE, 1), [0]),
    "a sum of three dimensions": lambda: column_sums(zeros(3, LARGE, 5), [0]),
}


@pytest.mark.parametrize("operation", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_other_operations_stay_as_they_are(operation):
    assert operation() is NotImplemented


def loss(weights, x):
    """Two layers and a mean: every rule has something to do in its gradient."""
    first, bias, second, last = weights
    hidden = linear(x, first, bias).relu()
    return linear(hidden, second, last).square().mean() * 0.9 ** x[0, 0].abs()


@pytest.mark.parametrize("n", [32, LARGE])
def test_a_traced_gradient_is_the_gradient_and_large_batches_follow_more_rules(generator, n):
    weights = [normal(generator, *shape) for shape in ((8, 3), (8,), (2, 8), (2,))]
    x = normal(generator, n, 3)
    traced = make_fx(grad(loss), decomposition_table=rules(large=n >= LARGE))(weights, x)
    for found, expected in zip(traced(weights, x), grad(loss)(weights, x), strict=True):
        torch.testing.assert_close(found, expected)
    used = {str(node.target) for node in traced.graph.nodes}
    assert "aten.addmm.default" not in used
    assert ("aten.pow.Scalar" in used) == (n < LARGE)


def test_small_batches_keep_their_one_rule():
    """Any further one would change what they train."""
    assert rules() == {aten.addmm.default: affine}


# ------------------------------------------------------------------------- folded ActNorms


@pytest.fixture
def discriminator(generator):
    """One whose norms are not the identity."""
    network = models.Discriminator(STANDARD, (5, 7))
    models.initialise(network.net, generator, torch.randn(64, 2, generator=generator))
    return network.double()


def weights_of(network):
    return {name: p.detach().clone() for name, p in network.named_parameters()}


def test_only_linear_layers_with_an_actnorm_behind_them_are_folded(discriminator):
    assert normed(discriminator) == [("net.0", "net.1"), ("net.3", "net.4")]
    assert normed(discriminator.net) == [("0", "1"), ("3", "4")]
    assert normed(models.Decoder(STANDARD, (4,), 2, "unit")) == []
    assert normed(nn.Sequential(nn.ReLU(), models.ActNorm(3), nn.Linear(3, 3))) == []


def test_a_folded_network_is_the_network_with_the_same_slopes(discriminator, generator):
    x, before = normal(generator, 9, 2), weights_of(discriminator)
    weights = {name: w + 0.1 for name, w in before.items()}  # not its own
    ways = bound_folded(discriminator), bound(discriminator)
    torch.testing.assert_close(ways[0](weights)(x), ways[1](weights)(x))
    found, expected = (grad(lambda w, way=way: way(w)(x).square().sum())(weights) for way in ways)
    assert set(found) == set(weights)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(weights_of(discriminator), before)  # it is left alone
    assert isinstance(discriminator.net[1], models.ActNorm)


def without_shift(weights, pairs):
    return merged({n: w * (not n.endswith("shift")) for n, w in weights.items()}, pairs)


def without_scaled_bias(weights, pairs):
    left = merged(weights, pairs)
    for layer, norm in pairs:
        left[f"{layer}.bias"] = weights[f"{layer}.bias"] + weights[f"{norm}.shift"]
    return left


@pytest.mark.parametrize("wrong", [without_shift, without_scaled_bias])
def test_a_wrong_fold_is_seen(monkeypatch, discriminator, generator, wrong):
    x = normal(generator, 9, 2)
    monkeypatch.setattr(rewrites, "merged", wrong)
    folded = bound_folded(discriminator)(weights_of(discriminator))
    assert (folded(x) - discriminator(x)).abs().max() > 1e-3

"""Each rule against PyTorch's own operation, on shapes that it is for and shapes that it is not."""

import pytest
import torch
from torch.func import grad
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.functional import linear

from helpers import rewriting
from helpers.rewriting import LARGE, column_sums, power, product, rules

aten = torch.ops.aten


def normal(generator, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("inputs", [1, 2, 3, 9])
def test_linear_layers_in_other_words_are_still_linear_layers(generator, inputs):
    values = [normal(generator, *shape) for shape in ((4,), (5, inputs), (inputs, 4))]
    torch.testing.assert_close(rewriting.affine(*values), torch.addmm(*values))


def test_small_batches_keep_their_one_rule():
    assert rules() == rules(large=False) == {aten.addmm.default: rewriting.affine}
    assert set(rules(large=True)) > set(rules())


@pytest.mark.parametrize("columns", [1, 2, 4])
def test_a_product_of_few_columns_goes_the_other_way_round(generator, columns):
    x, slope = normal(generator, LARGE, 9), normal(generator, LARGE, columns)
    found = product(x.t(), slope)
    torch.testing.assert_close(found, x.t() @ slope)
    assert found.stride() == (1, 9)  # it was computed transposed


def test_a_weight_read_across_its_rows_is_laid_out_anew(generator):
    slope, weight = normal(generator, LARGE, 7), normal(generator, 9, 7)
    torch.testing.assert_close(product(slope, weight.t()), slope @ weight.t())
    assert product(slope, weight.t().contiguous()) is NotImplemented  # lies well already


@pytest.mark.parametrize(
    ("left", "right"),
    [((LARGE - 1, 7), (7, 9)), ((9, LARGE - 1), (LARGE - 1, 2)), ((2, LARGE), (LARGE, 2))],
)
def test_other_products_stay_as_they_are(left, right):
    assert product(torch.zeros(left), torch.zeros(right[::-1]).t()) is NotImplemented


@pytest.mark.parametrize("keepdim", [True, False])
def test_sums_in_groups_are_sums(generator, keepdim):
    x = normal(generator, 2 * LARGE, 5)
    torch.testing.assert_close(column_sums(x, [0], keepdim), x.sum(0, keepdim))


@pytest.mark.parametrize(
    ("shape", "dim"),
    [
        ((LARGE - 1, 5), [0]),
        ((LARGE + 1, 5), [0]),
        ((LARGE, 5), [1]),
        ((LARGE, 1), [0]),
        ((3, LARGE, 5), [0]),
    ],
)
def test_other_sums_stay_as_they_are(shape, dim):
    assert column_sums(torch.zeros(shape), dim) is NotImplemented


@pytest.mark.parametrize("base", [0.5, 0.9, 0.999])
def test_powers_are_powers_over_a_long_training(base):
    for step in (1.0, 7.0, 1_000.0, 200_000.0):
        found, exact = power(base, torch.tensor(step)), base**step
        assert found.item() == pytest.approx(exact, rel=1e-4, abs=1e-12)


def loss(weights, x):
    """Two layers and a mean: every rule has something to do in its gradient."""
    first, bias, second, last = weights
    hidden = linear(x, first, bias).relu()
    return linear(hidden, second, last).square().mean() * 0.9 ** x[0, 0].abs()


@pytest.mark.parametrize("n", [32, LARGE])
def test_a_traced_gradient_is_the_gradient(generator, n):
    shapes = (8, 3), (8,), (2, 8), (2,)
    weights = [normal(generator, *shape) for shape in shapes]
    x = normal(generator, n, 3)
    traced = make_fx(grad(loss), decomposition_table=rules(large=n >= LARGE))(weights, x)
    for found, expected in zip(traced(weights, x), grad(loss)(weights, x), strict=True):
        torch.testing.assert_close(found, expected)
    used = {str(node.target) for node in traced.graph.nodes}
    assert "aten.addmm.default" not in used
    assert ("aten.pow.Scalar" in used) == (n < LARGE)

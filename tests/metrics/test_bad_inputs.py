"""What cannot be scored is refused in one line that names the value, what was due, the remedy."""

import pytest
import torch

from helpers.metrics import density, pushforward, scorecard, two_sample
from helpers.targets import gmm5
from helpers.training import stream as rng

X = torch.zeros(400, 2)
HOLED = torch.cat([torch.full((4, 2), torch.nan), X])


def evaluate(x, train=X, seed=0):
    return scorecard.evaluate(gmm5(), x, train, rng(seed))


def card(columns):
    return scorecard.scorecard(gmm5(), columns, X, rng(0))


CASES = {
    r"x: shape \(5, 2\), expected \(n, 2\) with n of 10": lambda: evaluate(X[:5]),
    r"x: shape \(100,\), expected \(n, 2\)": lambda: evaluate(torch.zeros(100)),
    r"train: shape \(5, 2\)": lambda: evaluate(X, X[:5]),
    r"x: 4 of 404 points are not finite; .* diverged, train": lambda: evaluate(HOLED),
    r"repeats the draw .* another number": lambda: evaluate(gmm5().sample(400, rng(3)), seed=3),
    r"sizes \{'a': 400, 'b': 399\}: .* same size": lambda: card({"a": X, "b": X[1:]}),
    r"sizes \{\}: give at least one": lambda: card({}),
    r"draws = 1: .* at least 2": lambda: scorecard.truth_range(gmm5(), 50, 100, draws=1),
    r"order = 3: choose 1 or 2": lambda: two_sample.wasserstein(X, X, 3),
    r"5 and 400 points with k = 5; give each side more": (
        lambda: two_sample.precision_recall_density_coverage(X[:5], X)
    ),
    r"latent = 0: .* use importance\(\)": lambda: density.quadrature(None, X, 0),
    r"map of the plane to itself.* two latent dimensions": (
        lambda: pushforward.density(lambda z: z[:, :1], X, nodes=10)
    ),
}


@pytest.mark.parametrize("message", CASES)
def test_the_message_says_what_is_wrong(message):
    with pytest.raises(ValueError, match=message) as caught:
        CASES[message]()
    assert "\n" not in str(caught.value)

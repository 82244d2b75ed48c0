"""What is scored while a training runs and when it ends."""

import math

import pytest
import torch

from helpers.metrics import evaluator
from helpers.metrics.evaluator import MixtureEvaluator
from helpers.models import Gaussian
from helpers.targets import gmm5
from helpers.training import stream as rng

TARGET = gmm5()


class Autoencoder(torch.nn.Module):
    """It draws from the target, but its networks ignore their input: p(x) is N(0, I)."""

    latent = 2

    def draw(self, z, generator):
        return TARGET.sample(len(z), generator)

    def __init__(self):
        super().__init__()
        self.encoder = lambda x: Gaussian(torch.zeros(len(x), 2), torch.zeros(1))
        self.decoder = lambda z: Gaussian(torch.zeros(*z.shape[:-1], 2), torch.zeros(1))

    def decode(self, z):
        return TARGET.means[:1].float().expand(len(z), 2)


def test_scores_of_the_truth_are_the_truths():
    own = MixtureEvaluator(TARGET)
    found = own.watch(7, 250, TARGET.sample(100_000, rng(0)))
    assert list(found) == ["share", "weight_kl", "cross_entropy"]
    assert found["share"] == pytest.approx(1 - math.exp(-4.5), abs=0.002)
    assert found["weight_kl"] == pytest.approx(0, abs=2e-4)
    assert found["cross_entropy"] == pytest.approx(TARGET.entropy(), abs=0.02)
    assert own.line(found).startswith("within 3σ 98.9")
    assert (own.watched, own.filmed) == (10_000, 2_000)


def test_an_autoencoder_is_also_scored_by_its_likelihood_of_test_points(monkeypatch):
    monkeypatch.setattr(evaluator, "SCORED", 500)
    monkeypatch.setattr(evaluator, "COMPARED", 50)
    test = TARGET.sample(90, rng(3))
    found = MixtureEvaluator(TARGET).final(Autoencoder(), test, rng(0))
    nll = 0.5 * test[:50].square().sum(-1).mean().item() + math.log(2 * math.pi)
    assert found["nll"] == pytest.approx(nll, rel=1e-4)
    assert found["kl"] == pytest.approx(nll + TARGET.log_prob(test[:50]).mean().item(), rel=1e-3)
    assert found["nll_by"] == "quadrature"
    assert found["modes"] == TARGET.k
    assert (found["noise_free_modes"], found["noise_free_share"]) == (1, 1)  # all at one mean

"""pythae's trainer, where it is installed; and that its absence is noticed without it."""

import pytest
import torch

from helpers import building, experiments, peers
from helpers.recorder import stream
from helpers.targets import gmm5


def test_whether_it_is_there_is_asked_without_importing_it(monkeypatch):
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    assert not peers.has_pythae()
    monkeypatch.setattr(peers, "find_spec", lambda name: name == "pythae" or None)
    assert peers.has_pythae()


@pytest.mark.skipif(not peers.has_pythae(), reason="pythae is not installed")
def test_it_trains_our_networks(tmp_path):
    points = gmm5().sample(1_000, stream(0))
    vae = building.build_vae(experiments.named("vae"), gmm5(), points, stream(3))
    before = vae.encoder.net[0].weight.detach().clone()
    training = peers.pythae(vae, vae.encoder.standardise(points), 100, 1e-3, str(tmp_path))
    assert next(training) > 0
    assert not torch.equal(vae.encoder.net[0].weight, before)

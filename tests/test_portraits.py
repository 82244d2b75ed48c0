"""A portrait holds what it says, and its numbers are those of the rooms they come from."""

import pytest
import torch
from small import recipe, shrink

from helpers import densities, portraits, recording, targets
from helpers.metrics import atlas, modes
from helpers.metrics.catalogue import METRICS
from helpers.recorder import stream

TARGET = targets.gmm5()


@pytest.fixture(scope="module")
def small_sizes():
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        patch.setattr(portraits, "DRAWN", 300)
        patch.setattr(portraits, "SEEN", 400)
        patch.setattr(densities, "COMPARED", 60)
        patch.setattr(densities, "MESH", 60)
        patch.setattr(densities, "NODES", {1: 64, 2: 32})
        yield


def trained(name, tmp_path, **values):
    options = {"stems": [tmp_path / "run"], "device": "cpu", "fast": False}
    return recording.train(recipe(name, epochs=1, **values), TARGET, (0,), **options)[0]


@pytest.mark.parametrize("name", ["vae", "gan"])
def test_a_portrait_of_either_family(name, tmp_path, small_sizes):
    run = trained(name, tmp_path)
    found = portraits.portrait(run)
    assert set(found["scores"]) == {m.name for m in METRICS}
    samples = run.sample(300, stream(portraits.SEEDS["samples"]))
    assert found["scores"]["within 3σ"] == modes.share_within(TARGET, samples)
    assert found["atlas"]["border measure"] == atlas.border_measure(TARGET, run.model.decode)
    assert sum(found["atlas"]["region mass"]) == pytest.approx(1, abs=1e-5)
    assert 0 <= found["divergences"]["total_variation"][0] <= 1
    assert (found["kl"] is None) == (name == "gan")


def test_more_than_two_latents_have_no_plane_and_no_exact_density(tmp_path, small_sizes):
    found = portraits.portrait(trained("gan", tmp_path, latent=4), scored=False)
    assert found["divergences"] is None
    assert "border measure" not in found["atlas"]
    assert len(found["atlas"]["stretch"]) == 3
    assert "scores" not in found


def test_a_portrait_repeats_itself(tmp_path, small_sizes):
    run = trained("vae", tmp_path)
    first, second = (portraits.portrait(run, scored=False) for _ in range(2))
    assert first == second
    assert torch.tensor(first["atlas"]["information"]).diff()[0] <= 0  # low, below the value

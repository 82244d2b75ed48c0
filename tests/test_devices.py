"""Threads and devices: what is chosen, and that it is put back."""

import pytest
import torch

from helpers import devices


def test_threads_come_back_even_after_an_error(monkeypatch):
    seen = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    monkeypatch.setattr(torch, "set_num_threads", seen.append)
    with pytest.raises(IndexError), devices.one_thread():
        seen[1]  # only the one thread has been asked for so far
    assert seen == [1, 7]


@pytest.mark.parametrize(
    ("cuda", "mps", "chosen"),
    [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_the_fastest_device_is_chosen(monkeypatch, cuda, mps, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert devices.choose_device("auto") == torch.device(chosen)
    assert devices.choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "mps", "tpu", ""])
def test_an_absent_device_is_named_with_those_present(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ValueError, match=f"device '{name}': not present; choose auto.* cpu"):
        devices.choose_device(name)


def test_tiny_numbers_count_again_after_the_block():
    tiny = torch.tensor([1e-30])
    with devices.nothing_tiny():
        assert (tiny * 1e-10).item() == 0
    assert (tiny * 1e-10).item() > 0

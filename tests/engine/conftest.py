"""What tests of the engine share."""

import pytest
import torch


@pytest.fixture
def double():
    """Double precision for all that is made within a test, so that rounding stays small."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)

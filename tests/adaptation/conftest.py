"""The toy problems, which several tests import, and the same random numbers for each test, whichever ran before."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)

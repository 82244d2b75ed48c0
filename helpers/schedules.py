"""Schedules: numbers that move during a training, as functions of its progress from 0 to 1.

A learning rate, a beta or a penalty's strength is one of these four.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Constant:
    """The same number throughout."""

    value: float = 1.0

    def __call__(self, progress: float) -> float:
        return self.value


@dataclass(frozen=True)
class Linear:
    """From `start` to `end` in a straight line over the whole run (progress 0 to 1)."""

    start: float = 0.0
    end: float = 1.0

    def __call__(self, progress: float) -> float:
        return self.start + (self.end - self.start) * progress


@dataclass(frozen=True)
class Geometric:
    """From `start` to `end` by a constant factor a step (progress 0 to 1)."""

    start: float
    end: float

    def __call__(self, progress: float) -> float:
        return self.start * (self.end / self.start) ** progress


@dataclass(frozen=True)
class Cosine:
    """From `start` down to zero along half a cosine (Loshchilov & Hutter 2017, eq. 5)."""

    start: float

    def __call__(self, progress: float) -> float:
        return self.start * 0.5 * (1 + math.cos(math.pi * progress))

"""A monitor for anybody's training loop: numbers in; "generalising", "splitting" or "copying" out, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from rfscore._numbers import number
from rfscore.errors import bad
from rfscore.memorization import MemorisedFraction, chance_level, memorised_fraction

State = Literal["generalising", "splitting", "copying"]


@dataclass(frozen=True)
class Verdict:
    """What a network does at a step.

    Attributes:
        state: "generalising", "splitting" (the test loss rises, or f_mem is above chance) or "copying" (f_mem is the
            threshold above chance).
        evidence: in words, with numbers.
        step: the step.
        best: step of the lowest test loss so far.
    """

    state: State
    evidence: str
    step: float
    best: float


@dataclass
class Monitor:
    """Holds training and test loss at a fixed diffusion time and f_mem of the last samples.

    Args:
        train: the training points, (n, ...), to compare samples with; not needed without samples.
        held_out: points that were not trained on, for the chance level of f_mem; 0 without.
        rise: test loss above its lowest value, as a fraction of it, that counts.
        threshold: f_mem above chance that counts as copying.

    Example:
        >>> import numpy as np
        >>> from rfscore.runs import Monitor
        >>> rng = np.random.default_rng(0)
        >>> train = rng.normal(size=(100, 20))
        >>> monitor = Monitor(train)
        >>> monitor.update(100, train_loss=0.50, test_loss=0.52).state
        'generalising'
        >>> monitor.update(1000, train_loss=0.30, test_loss=0.60).state
        'splitting'
        >>> print(monitor.update(9000, train_loss=0.10, test_loss=0.9, samples=train[:50] + 0.01).evidence)
        f_mem = 1 [0.929, 1] of 50 samples, chance 0; test loss 73 % above its lowest, 0.52 at step 100
    """

    train: Any = None
    held_out: Any = None
    rise: float = 0.1
    threshold: float = 0.05
    history: list[tuple[float, float, float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """The chance level is found once."""
        for name in ("rise", "threshold"):
            if not 0 < number(name, getattr(self, name), "a number in (0, 1)") < 1:
                raise bad(name, getattr(self, name), "a number in (0, 1)")
        self._rows = None if self.train is None else _flat(self.train)
        self._chance = None if self.held_out is None or self._rows is None else \
            chance_level(_flat(self.held_out), self._rows)  # fmt: skip

    def update(
        self, step: float, train_loss: float, test_loss: float, samples: Any = None
    ) -> Verdict:  # fmt: skip
        """Take the numbers of a step and say what they mean.

        Args:
            step: training step, larger than the last one.
            train_loss: denoising loss at a fixed diffusion time on training points, finite.
            test_loss: the same on held-out points, finite and > 0.
            samples: generated points, (N, ...), when there are new ones.

        Returns:
            Verdict.

        Raises:
            InputError: a step that does not ascend, a loss that is not finite, samples without training points.
        """
        step = number("step", step, "a training step")
        if self.history and step <= self.history[-1][0]:
            raise bad("step", step, f"a step after {self.history[-1][0]:g}")
        for name, value in (("train_loss", train_loss), ("test_loss", test_loss)):
            if not math.isfinite(number(name, value, "a finite number")):
                raise bad(name, value, "a finite number", "training has diverged")
        found = None
        if samples is not None:
            if self._rows is None:
                raise bad("samples", "given", "a monitor with training points", "Monitor(train=...)")
            found = memorised_fraction(_flat(samples), self._rows)
        self.history.append((step, float(train_loss), float(test_loss), math.nan if found is None else found.value))
        return self._judged(found)

    def _judged(self, found: MemorisedFraction | None) -> Verdict:
        steps, train, test, _ = np.array(self.history).T
        best = int(np.argmin(test))
        rise = float(test[-1] / test[best] - 1) if test[best] > 0 else 0.0
        chance, top = (0.0, 0.0) if self._chance is None else (self._chance.value, self._chance.interval[1])
        losses = f"test loss {100 * rise:.2g} % above its lowest, {test[best]:.4g} at step {steps[best]:g}"
        if rise <= 0:
            losses = f"test loss {test[-1]:.4g} is the lowest so far, {test[-1] - train[-1]:.3g} above training"
        copies = "" if found is None else f"f_mem = {found.value:.3g} [{found.interval[0]:.3g}, " \
            f"{found.interval[1]:.3g}] of {found.samples} samples, chance {chance:.3g}; "  # fmt: skip
        state: State = "splitting" if rise >= self.rise else "generalising"
        if found is not None and found.interval[0] > top:
            state = "copying" if found.value >= chance + self.threshold else "splitting"
        return Verdict(state, copies + losses, float(steps[-1]), float(steps[best]))


def _flat(points: Any) -> np.ndarray:
    array = np.asarray(points)
    return array.reshape(len(array), -1) if array.ndim > 1 else array

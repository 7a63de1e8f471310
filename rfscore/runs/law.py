"""Times of small runs carried to other n and W: a power law, its uncertainty, and how much of it is assumed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import t as student

from rfscore.errors import bad

#: Scatter of log(tau) between equal runs, and how many observations this is worth beside the scatter that is seen.
SCATTER, WORTH = 0.2, 4
#: How much the exponents themselves may drift for each factor e beyond the runs.
DRIFT = 0.2
#: Factor in n or W beyond the runs up to which a time is carried.
REACH = 16.0
#: Exponents assumed where runs do not give them, with their standard deviations: of n, and of 1/W.
ASSUMED = {"tau_onset": ((1.0, 0.25), (1.0, 0.25)), "tau_rise": ((1.0, 0.25), (1.0, 0.25)),
           "tau_opt": ((0.3, 0.4), (0.5, 0.5))}  # fmt: skip


@dataclass(frozen=True)
class Carried:
    """A time at a size where nothing was trained.

    Attributes:
        value: its median.
        interval: 90 %: the lower end is passed by 95 % of runs.
        gamma: exponent of n used, and its standard deviation.
        rests_on: in words, what it rests on.
    """

    value: float
    interval: tuple[float, float]
    gamma: tuple[float, float]
    rests_on: str


@dataclass(frozen=True)
class Law:
    r"""log(tau) = c + gamma log(n) - beta log(W), from runs and, where `assume`, from what is known of such laws.

    Attributes:
        name: which time, one of `ASSUMED`.
        n: training points of the runs.
        width: their W; 0 where unknown, which leaves W out.
        tau: their times.
        error: standard errors of log(tau) from measurement.
        assume: put the exponents of `ASSUMED` beside those of the runs.

    Raises:
        InputError: no runs; one n only, or another W, without `assume`; too far from the runs.
    """

    name: str
    n: Float[np.ndarray, " k"]
    width: Float[np.ndarray, " k"]
    tau: Float[np.ndarray, " k"]
    error: Float[np.ndarray, " k"]
    assume: bool = False

    def at(self, n: float, width: float) -> Carried:
        """The time at n and W."""
        self._reached(n, width)
        by_width = bool(np.all(self.width > 0)) and (np.unique(self.width).size > 1 or np.any(self.width != width))
        sizes, names = [self.n, self.width] if by_width else [self.n], ["n", "W"] if by_width else ["n"]
        for size, key, wanted in zip(sizes, names, (n, width), strict=False):
            if np.unique(size).size == 1 and not self.assume and size[0] != wanted:
                raise bad(f"{key} of the runs", float(size[0]), f"two different {key}, to carry {self.name} to "
                          f"{key} = {wanted:g}", "train another short run, or assume the law (--law)")  # fmt: skip
        middle = [float(np.mean(np.log(size))) for size in sizes]
        signs = [1.0, -1.0]
        x = np.stack([np.ones(self.n.size), *(s * (np.log(v) - m)
                      for s, v, m in zip(signs, sizes, middle, strict=False))], axis=1)  # fmt: skip
        target = np.array([1.0, *(s * (math.log(v) - m)
                                  for s, v, m in zip(signs, (n, width), middle, strict=False))])  # fmt: skip
        prior, spread = np.array([[0.0, 0.0], *ASSUMED[self.name][: len(sizes)]]).T
        varied = np.array([False, *(np.unique(size).size > 1 for size in sizes)])
        # Exponents that the runs cannot give and that are not needed stay at what is assumed; this adds nothing.
        held = np.array([0.0, *(1 / s**2 if self.assume or not v else 0.0
                                for s, v in zip(spread[1:], varied[1:], strict=True))])  # fmt: skip
        mean, cover, dof, scatter = self._fit(x, prior, held)
        far = max(0.0, math.log(max(n / self.n.max(), self.n.min() / n)))
        far += max(0.0, math.log(max(width / self.width.max(), self.width.min() / width))) if by_width else 0.0
        variance = float(target @ cover @ target) + scatter**2 + (DRIFT * far) ** 2
        half = float(student.ppf(0.95, dof)) * math.sqrt(variance)
        centre = float(target @ mean)
        return Carried(math.exp(centre), (math.exp(centre - half), math.exp(centre + half)),
                       (float(mean[1]), math.sqrt(cover[1, 1])), self._words(varied, mean, far))  # fmt: skip

    def _fit(self, x: np.ndarray, prior: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, np.ndarray, int, float]:
        """Mean and covariance of the coefficients, degrees of freedom, scatter of the runs."""
        y, scatter = np.log(self.tau), SCATTER
        spare = max(0, len(y) - int(np.sum(held == 0)))
        for _ in range(3):
            weight = 1 / (scatter**2 + self.error**2)
            cover = np.linalg.inv((x.T * weight) @ x + np.diag(held))
            mean = cover @ ((x.T * weight) @ y + held * prior)
            seen = float(np.sum((y - x @ mean) ** 2)) if spare else 0.0
            scatter = math.sqrt((WORTH * SCATTER**2 + seen) / (WORTH + spare))
        return mean, cover, WORTH + spare, scatter

    def _reached(self, n: float, width: float) -> None:
        if not self.n.size:
            raise bad(f"runs with {self.name}", 0, "at least one", "their curves have not split: train them longer, or "
                      "with fewer images")  # fmt: skip
        known = [(n, self.n, "n")] + ([(width, self.width, "W")] if width > 0 and np.all(self.width > 0) else [])
        for wanted, sizes, key in known:
            if not sizes.min() / REACH <= wanted <= sizes.max() * REACH:
                raise bad(key, wanted, f"at most a factor {REACH:g} beyond the runs ({sizes.min():g} to "
                          f"{sizes.max():g})", "train a run nearer to it")  # fmt: skip

    def _words(self, varied: np.ndarray, mean: np.ndarray, far: float) -> str:
        sizes = ", ".join(f"{x:g}" for x in np.unique(self.n))
        own = "their exponent and the assumed one" if self.assume else "their exponent"
        how = own if varied[1] else "the assumed exponent"
        return f"{self.n.size} run{'s' * (self.n.size > 1)} at n = {sizes}, {how} of n ({mean[1]:.2f})" + (
            f", a factor {math.exp(far):.3g} beyond them" if far else "")  # fmt: skip

"""The features of an instance: weights, activation, and the samples that it is trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from rfscore.errors import bad
from rfscore.finite.features import NoiseAverage, Offsets, noise_average
from rfscore.finite.hermite import choose_rule
from rfscore.finite.setting import Moments, Setting
from rfscore.model.activations import Activation

Array = np.ndarray
_BLOCK = 2**24  # numbers of Phi formed at once


@dataclass(frozen=True)
class Model:
    """Weights, data and features of an instance.

    Attributes:
        weights: W.
        data: training samples.
        setting: channel and target.
        sigma: the activation, centred.
        kinks: where it or its derivative jumps.
    """

    weights: Float[Array, "p d"]
    data: Float[Array, "n d"]
    setting: Setting
    sigma: Callable[[Array], Array]
    kinks: tuple[float, ...]

    def _average(self, data: Array | None, covariance: Array) -> NoiseAverage:
        """Features averaged over N(0, covariance) around the data (around 0 without)."""
        scaled = self.weights * (self.setting.signal / np.sqrt(self.weights.shape[1]))
        wanted = data is not None and self.setting.on_data != 0
        return noise_average(self.sigma, self.kinks, Offsets(scaled, data), covariance, cross=wanted)

    def noised(self, rows: Array, rng: np.random.Generator) -> tuple[Float[Array, "p k"], Float[Array, "d k"]]:
        """Features of one new noised copy of each of these samples, and their residuals at A = 0."""
        return self._copies(self.data[rows], rng)

    def _copies(self, clean: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        noise = rng.standard_normal(clean.shape)
        noised = self.setting.signal * clean + self.setting.noise * noise
        features = self.sigma(self.weights @ (noised.T / np.sqrt(self.weights.shape[1])))
        return features, self.setting.residual(clean, noise).T

    def copies(self, draws: int, rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
        """The same for m copies of each sample, a few samples at a time."""
        width = max(1, _BLOCK // (self.weights.shape[0] * draws))
        for start in range(0, self.data.shape[0], width):
            yield self._copies(np.repeat(self.data[start : start + width], draws, axis=0), rng)

    def averaged(self, rows: Array) -> Moments:
        """Moments of these samples alone."""
        return self.over_noise(self.data[rows])[0]

    def over_noise(self, data: Float[Array, "n d"]) -> tuple[Moments, float]:
        """Moments of these data with the noise integrated out, and a bound on their error."""
        w, at = self.weights, self.setting
        found = self._average(data, (at.delta / w.shape[1]) * (w @ w.T))
        v = (-at.on_noise * found.slope)[:, None] * _directions(w)
        if found.cross is not None:
            v -= at.on_data * found.cross
        return Moments(found.second_moment, v, at.regressed(data.T @ data / len(data))), found.error_bound

    def over_population(self, covariance: Float[Array, " d"] | Float[Array, "d d"]) -> tuple[Moments, float]:
        """The same for Gaussian data."""
        w, d, at = self.weights, self.weights.shape[1], self.setting
        spread = w * covariance if covariance.ndim == 1 else w @ covariance
        total = (at.signal**2 * spread + at.delta * w) @ w.T / d
        total = 0.5 * (total + total.T)
        scale = np.sqrt(np.maximum(np.diagonal(total), 0.0))
        found = self._average(None, total)
        # E[sigma'(s z)] = c_1/s; noise and data enter the argument with the weights noise and signal w_i/sqrt d.
        slope = np.divide(found.slope, scale, out=np.zeros_like(scale), where=scale > 0) / np.sqrt(d)
        v = -slope[:, None] * (at.on_noise * at.noise * w + at.on_data * at.signal * spread)
        second = np.diag(covariance) if covariance.ndim == 1 else covariance
        return Moments(found.second_moment, v, at.regressed(second)), found.error_bound


@dataclass(frozen=True)
class _Centred:
    """sigma minus a constant."""

    activation: Activation
    constant: float

    def __call__(self, x: Array) -> Array:
        return np.asarray(self.activation(x) - self.constant)


def centred(activation: Activation, constant: float) -> Callable[[Array], Array]:
    """sigma minus a constant."""
    return _Centred(activation, constant) if constant else activation


def centre(activation: Activation, gammas: Float[Array, " K"]) -> Callable[[Array], Array]:
    """sigma minus E sigma(Gamma z) where it asks for that; refused where a class is not centred then."""
    rule, _ = choose_rule(activation, activation.kinks, np.zeros((gammas.size, 1)), gammas, 0.0, 1e-14)
    coefficients, second = rule(np.zeros(gammas.size), gammas)
    means, sizes = coefficients[0], np.sqrt(second)
    constant = float(means[0]) if activation.centre else 0.0
    for number, (mean, size) in enumerate(zip(means - constant, sizes, strict=True)):
        if abs(mean) > 1e-10 * size:
            several = gammas.size > 1
            raise bad(f"E {activation.name}(Gamma_t z)" + (f" in class {number}" if several else ""), float(mean),
                      "0 in every class: one constant cannot centre classes of different variances" if several else
                      "0: the model needs a centred activation",
                      "take an odd activation (tanh, erf)" if several else
                      "pass Activation(..., centre=True) to subtract the mean")  # fmt: skip
    return centred(activation, constant)


def _directions(weights: Array) -> Array:
    """w_i/|w_i|, 0 for a zero row."""
    norms = np.linalg.norm(weights, axis=1, keepdims=True)
    return np.divide(weights, norms, out=np.zeros_like(weights), where=norms > 0)

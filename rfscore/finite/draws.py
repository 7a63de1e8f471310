"""Instances: drawn from a ScoreProblem at dimension d, or built from given arrays (real data)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Real

from rfscore._numbers import Seed, generator, number
from rfscore._precision import is_traced
from rfscore.errors import InputError, bad
from rfscore.finite import equivalent, frozen, given
from rfscore.finite.equivalent import EquivalentInstance
from rfscore.finite.features import NoiseAverage, Offsets, noise_average
from rfscore.finite.frozen import FrozenInstance
from rfscore.finite.hermite import choose_rule
from rfscore.finite.instance import ExactInstance
from rfscore.model.activations import Activation, as_activation
from rfscore.model.equivalence import coefficients
from rfscore.model.population import Covariance
from rfscore.model.problem import T_RANGE, ScoreProblem, noise_draws_in_range, ridge_in_range
from rfscore.model.process import OU

Array = np.ndarray
Features = Literal["exact", "gaussian-equivalent"]
FEATURES: tuple[Features, ...] = get_args(Features)
_MAX_DRAWN = 10**11  # noises: entries of Xi


def draw(
    problem: ScoreProblem,
    d: int = 100,
    seed: Seed = 0,
    features: Features = "exact",
) -> ExactInstance | EquivalentInstance | FrozenInstance:
    r"""Draw W and the data at dimension d, and integrate the noise exactly or draw m noises per sample.

    W has i.i.d. N(0, 1) entries, x ~ N(0, Sigma) with Sigma diagonal, its spectrum the means of rho_Sigma over d slices
    of equal mass, so that Tr Sigma/d is the population's. At one seed W and the data are the same for every m, and the
    features for every ridge.

    Args:
        problem: psi_n, psi_p, t, covariance, activation, noise_draws, ridge.
        d: data dimension, >= 1; p = round(psi_p d), n = round(psi_n d).
        seed: an integer, a SeedSequence, or a Generator (which is advanced).
        features: "exact", or "gaussian-equivalent" for the matrix that the theory describes.

    Returns:
        Instance with .U .V .U_test .V_test and .gradient_flow().

    Raises:
        InputError: p or n rounds to 0, unknown features, an activation that the theory refuses, or frozen noises too
            many to draw (use inf: beyond a few thousand the difference is below 1/m).

    Accuracy:
        entries of U and U_test to inst.error_bound (about 1e-13 for smooth activations).

    Example:
        >>> import rfscore as rf
        >>> problem = rf.ScoreProblem(psi_n=2.0, psi_p=4.0, t=0.1)
        >>> inst = rf.finite.draw(problem, d=20, seed=0)
        >>> inst.U.shape, inst.V.shape, inst.error_bound < 1e-12
        ((80, 80), (80, 20), True)
    """
    if features not in FEATURES:
        raise bad("features", features, f"one of {FEATURES}")
    if is_traced(problem):
        raise InputError("a finite instance cannot be drawn inside a JAX transformation: call it outside jit/vmap/grad")
    if isinstance(d, bool) or not (isinstance(d, (int, np.integer)) and d >= 1):
        raise bad("d", d, "a whole number >= 1")
    if np.isinf(problem.psi_p):
        raise bad("psi_p", float("inf"), "a finite number for a network that is drawn", "psi_p = 100 is wide already")
    sizes = {name: round(float(getattr(problem, f"psi_{name}")) * d) for name in ("p", "n")}
    for name, size in sizes.items():
        if size == 0:
            raise bad(f"{name} = round(psi_{name} d)", 0, "at least 1",
                      f"raise d above {0.5 / float(getattr(problem, f'psi_{name}')):.3g}")  # fmt: skip
    co = coefficients(problem)
    rng = generator(seed)
    if not (isinstance(problem.population, Covariance) and problem.is_score and isinstance(problem.process, OU)):
        raise bad("problem", problem, "one Gaussian class, the Ornstein-Uhlenbeck process and the score at finite size")
    sigma = problem.population.eigenvalues(d)
    weights = rng.standard_normal((sizes["p"], d))
    data = rng.standard_normal((sizes["n"], d))
    data *= np.sqrt(sigma)
    t, ridge, draws = float(problem.t), float(problem.ridge), problem.noise_draws
    if features == "gaussian-equivalent":
        floor = _loss_floor(sigma, t)
        if np.isinf(draws):
            return equivalent.build(weights, data, sigma, t, co, floor, rng, ridge)
        blocks = frozen.equivalent_blocks(co, weights, data, _countable(draws, data), rng)
        tests = equivalent.population(weights, sigma, co), weights * (float(co.b) / np.sqrt(d))
        return frozen.build(weights, data.shape[0], t, int(draws), blocks, tests, floor, 0.0, ridge)
    activation = _centred(problem.activation, float(co.mean))
    model = _Model(weights, data, t, activation, problem.activation.kinks)
    return _exact(model, draws, ridge, rng, covariance=sigma)


def from_arrays(
    *,
    weights: Real[Array, "p d"],
    data: Real[Array, "n d"],
    t: float,
    activation: str | Activation | Callable = "tanh",
    covariance: Real[Array, "d d"] | Real[Array, " d"] | None = None,
    test_data: Real[Array, "m d"] | None = None,
    noise_draws: float = np.inf,
    ridge: float = 0.0,
    seed: Seed = 0,
) -> ExactInstance | FrozenInstance:
    r"""An instance from given weights and data, real images for example.

    The test loss is that of N(0, covariance), or the average over `test_data` with the noise integrated exactly. A
    centring activation is centred at Gamma_t^2 = e^{-2t} Tr Sigma/d + Delta_t, with the test data's mean square in
    place of Tr Sigma/d if that is what is given.

    Args:
        weights: W, (p, d).
        data: training samples, (n, d), centred.
        t: diffusion time, in [1e-4, 5].
        activation: name, `Activation` or callable.
        covariance: population covariance Sigma, (d, d) or its diagonal (d,); or
        test_data: held-out samples, (m, d); exactly one of the two.
        noise_draws: noises drawn per sample and kept, or inf for their exact average.
        ridge: weight decay, 0 or in [1e-12, 1e6].
        seed: of the frozen noises.

    Returns:
        ExactInstance, with frozen noises FrozenInstance.

    Raises:
        InputError: shapes that do not agree, NaN, bytes, Sigma not symmetric positive semi-definite, both or neither of
            covariance and test_data, sigma not centred.

    Warns:
        UserWarning: data that are not centred, or training data and population in different spaces or units.

    Accuracy:
        entries of U and U_test to inst.error_bound.

    Example:
        >>> import numpy as np
        >>> import rfscore as rf
        >>> rng = np.random.default_rng(0)
        >>> W, X, held_out = (rng.standard_normal((m, 8)) for m in (24, 12, 30))
        >>> inst = rf.finite.from_arrays(weights=W, data=X, t=0.1, test_data=held_out)
        >>> inst
        ExactInstance(p=24, n=12, d=8, t=0.1)
    """
    if (covariance is None) == (test_data is None):
        raise bad("covariance, test_data", "neither" if covariance is None else "both", "exactly one of the two",
                  "the test loss needs one population")  # fmt: skip
    arrays = given.checked(weights=weights, data=data, covariance=covariance, test_data=test_data)
    w, x = arrays["weights"], arrays["data"]
    t = number("t", t, f"a number in [{T_RANGE[0]:g}, {T_RANGE[1]:g}]")
    if not T_RANGE[0] <= t <= T_RANGE[1]:
        raise bad("t", t, f"a number in [{T_RANGE[0]:g}, {T_RANGE[1]:g}]")
    mean_square = given.mean_square(arrays)
    act = as_activation(activation)
    sigma = _centre(act, np.sqrt(np.exp(-2.0 * t) * mean_square - np.expm1(-2.0 * t)))
    draws, decay = noise_draws_in_range(noise_draws), float(ridge_in_range(ridge))
    model, rng = _Model(w, x, float(t), sigma, act.kinks), generator(seed)
    given.warn_of_spaces(arrays, mean_square)
    return _exact(model, draws, decay, rng, arrays.get("covariance"), arrays.get("test_data"))


@dataclass(frozen=True)
class _Centred:
    """sigma minus a constant."""

    activation: Activation
    constant: float

    def __call__(self, x: Array) -> Array:
        return np.asarray(self.activation(x) - self.constant)


def _centred(activation: Activation, constant: float) -> Callable[[Array], Array]:
    return _Centred(activation, constant) if constant else activation


def _centre(activation: Activation, gamma: float) -> Callable[[Array], Array]:
    """sigma minus E sigma(Gamma_t z) where it asks for that; refused where the mean is not 0 otherwise."""
    rule, _ = choose_rule(activation, activation.kinks, np.zeros((1, 1)), np.array([gamma]), 0.0, 1e-14)
    coefficients, second = rule(np.zeros(1), np.array([gamma]))
    mean = float(coefficients[0, 0])
    if activation.centre:
        return _centred(activation, mean)
    if abs(mean) > 1e-10 * np.sqrt(second[0]):
        raise bad(f"E {activation.name}(Gamma_t z)", mean, "0: the model needs a centred activation",
                  "pass Activation(..., centre=True) to subtract the mean")  # fmt: skip
    return activation


def _loss_floor(spectrum: Array, t: float) -> float:
    """Test loss of the true Gaussian score, 1 - Delta_t Tr Sigma_t^{-1}/d."""
    delta = -np.expm1(-2.0 * t)
    signal = np.exp(-2.0 * t) * np.maximum(spectrum, 0.0)
    return float(np.mean(signal / (signal + delta)))


@dataclass(frozen=True)
class _Model:
    """Weights, data and features of an instance to be built."""

    weights: Array
    data: Array
    t: float
    sigma: Callable[[Array], Array]
    kinks: tuple[float, ...]

    @property
    def delta(self) -> float:
        return float(-np.expm1(-2.0 * self.t))

    def average(self, data: Array | None, covariance: Array) -> NoiseAverage:
        """Features averaged over N(0, covariance) around the data (around 0 without)."""
        scaled = self.weights * (np.exp(-self.t) / np.sqrt(self.weights.shape[1]))
        return noise_average(self.sigma, self.kinks, Offsets(scaled, data), covariance)

    def noised(self, rows: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """Features of one new noised copy of each of these samples, and the noises."""
        return frozen.noised_features(self.sigma, self.weights, self.data[rows], self.t, rng)

    def averaged(self, rows: Array) -> tuple[Array, Array]:
        """U and V of these samples alone."""
        return self.over_noise(self.data[rows])[:2]

    def over_noise(self, data: Array) -> tuple[Array, Array, float]:
        """(U, V, error bound) of the data with the noise integrated out."""
        found = self.average(data, (self.delta / self.weights.shape[1]) * (self.weights @ self.weights.T))
        return found.second_moment, found.slope[:, None] * _directions(self.weights), found.error_bound

    def over_population(self, covariance: Array) -> tuple[Array, Array, float]:
        """The same for Gaussian data."""
        w, d = self.weights, self.weights.shape[1]
        spread = w * covariance if covariance.ndim == 1 else w @ covariance
        total = (np.exp(-2.0 * self.t) * spread + self.delta * w) @ w.T / d
        total = 0.5 * (total + total.T)
        scale = np.sqrt(np.maximum(np.diagonal(total), 0.0))
        found = self.average(None, total)
        # E[sigma'(s z)] = c_1/s, and the noise enters the argument with weight sqrt(Delta_t) w_i/sqrt d.
        slope = np.divide(found.slope, scale, out=np.zeros_like(scale), where=scale > 0)
        return found.second_moment, slope[:, None] * w * np.sqrt(self.delta / d), found.error_bound


def _exact(
    model: _Model,
    draws: float,
    ridge: float,
    rng: np.random.Generator,
    covariance: Array | None = None,
    test_data: Array | None = None,
) -> ExactInstance | FrozenInstance:
    n, floor = model.data.shape[0], np.nan
    count = None if np.isinf(draws) else _countable(draws, model.data)
    train = model.over_noise(model.data) if count is None else None
    if covariance is None:
        assert test_data is not None  # one of the two is given
        u_test, v_test, error = model.over_noise(test_data)
    else:
        u_test, v_test, error = model.over_population(covariance)
        spectrum = covariance if covariance.ndim == 1 else np.linalg.eigvalsh(covariance)
        floor = _loss_floor(spectrum, model.t)
    if count is not None:
        blocks = frozen.exact_blocks(model.sigma, model.weights, model.data, model.t, count, rng)
        return frozen.build(model.weights, n, model.t, count, blocks, (u_test, v_test), floor, error, ridge)
    assert train is not None
    error = max(train[2], error)
    return ExactInstance(
        model.weights, n, model.t, floor, error, *train[:2], u_test, v_test, ridge=ridge, samples=model
    )


def _countable(draws: float, data: Array) -> int:
    """m as an integer, refused where n m columns would take more than an hour to form."""
    if draws * data.size > _MAX_DRAWN:
        raise bad("noise_draws", draws, f"at most {_MAX_DRAWN // data.size} for n d = {data.size}", "use inf")
    return int(draws)


def _directions(weights: Array) -> Array:
    """w_i/|w_i|, 0 for a zero row."""
    norms = np.linalg.norm(weights, axis=1, keepdims=True)
    return np.divide(weights, norms, out=np.zeros_like(weights), where=norms > 0)

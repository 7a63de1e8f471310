"""Instances: drawn from a ScoreProblem at dimension d, or built from given arrays (real data)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from jaxtyping import Int, Real

from rfscore._numbers import Seed, generator
from rfscore._precision import is_traced
from rfscore.errors import InputError, bad
from rfscore.finite import equivalent, frozen, given
from rfscore.finite.equivalent import EquivalentInstance, Twin
from rfscore.finite.frozen import FrozenInstance
from rfscore.finite.instance import ExactInstance
from rfscore.finite.model import Model, centre, centred
from rfscore.finite.setting import Setting
from rfscore.finite.tested import GaussianClasses, HeldOut, whole
from rfscore.model.activations import Activation, as_activation
from rfscore.model.equivalence import coefficients
from rfscore.model.population import HeavyTailed, Population
from rfscore.model.problem import ScoreProblem, noise_draws_in_range, ridge_in_range
from rfscore.model.process import OU, Process
from rfscore.model.target import Named, Target, as_target

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

    W has i.i.d. N(0, 1) entries. x ~ N(0, Sigma) with Sigma diagonal, its spectrum the means of rho_Sigma over d slices
    of equal mass, so that Tr Sigma/d is the population's; of several classes each in its fraction of the samples, one
    after the other. At one seed W and the data are the same for every m, and the features for every ridge.

    Args:
        problem: any; p = psi_p d must be finite.
        d: data dimension, >= 1; p = round(psi_p d), n = round(psi_n d).
        seed: an integer, a SeedSequence, or a Generator (which is advanced).
        features: "exact", or "gaussian-equivalent" for the matrix that the theory describes.

    Returns:
        Instance with .U .V .U_test .V_test and .gradient_flow().

    Raises:
        InputError: p or n rounds to 0, a class of a mixture without samples, unknown features, an activation that the
            theory refuses, or frozen noises too many to draw (use inf: beyond a few thousand the difference is below
            1/m).

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
    weights = rng.standard_normal((sizes["p"], d))
    data, labels = problem.population.draw(sizes["n"], d, rng)
    classes = problem.classes()
    fractions, spectra = np.asarray(classes.fractions, dtype=float), classes.at(d)
    if not isinstance(problem.population, HeavyTailed):  # whose rarest radii are not classes that anyone asked for
        given.no_class_empty("population", labels, fractions.size, "raise d or psi_n, or drop the class")
    setting, ridge, draws = Setting.of(problem), float(problem.ridge), problem.noise_draws
    if features == "gaussian-equivalent":
        twin = Twin.of(weights, setting, fractions, spectra, co)
        if np.isinf(draws):
            return equivalent.build(twin, data, labels, rng, ridge)
        count = _countable(draws, data)
        blocks = functools.partial(twin.copies, data, labels, count)
        test = twin.mixed(fractions)
        return frozen.build(weights, len(data), setting, count, blocks, rng, test, twin, labels, 0.0, ridge)
    activation = centred(problem.activation, float(np.ravel(co.mean)[0]))
    model = Model(weights, data, setting, activation, problem.activation.kinks)
    return _exact(model, draws, ridge, rng, GaussianClasses(model, fractions, spectra), labels)


def from_arrays(
    *,
    weights: Real[Array, "p d"],
    data: Real[Array, "n d"],
    t: float | None = None,
    activation: str | Activation | Callable = "tanh",
    covariance: Population | Real[Array, "d d"] | Real[Array, " d"] | None = None,
    test_data: Real[Array, "m d"] | None = None,
    labels: Int[Array, " n"] | None = None,
    test_labels: Int[Array, " m"] | None = None,
    process: Process = OU(),  # noqa: B008 (frozen)
    target: str | Target | Named = "score",
    noise_draws: float = np.inf,
    ridge: float = 0.0,
    seed: Seed = 0,
) -> ExactInstance | FrozenInstance:
    r"""An instance from given weights and data, real images for example.

    The test loss is that of N(0, covariance), or the average over `test_data` with the noise integrated exactly. A
    centring activation is centred at Gamma^2 = signal^2 Tr Sigma/d + noise^2, with the test data's mean square in place
    of Tr Sigma/d if that is what is given.

    Args:
        weights: W, (p, d).
        data: training samples, (n, d), centred.
        t: diffusion time, in the range of the process ([1e-4, 5] for OU); none for a `Channel`.
        activation: name, `Activation` or callable.
        covariance: population covariance Sigma, (d, d) or its diagonal (d,), or a population, `Mixture` for example,
            whose eigenvectors are the coordinates, smallest eigenvalues first; or
        test_data: held-out samples, (m, d); exactly one of the two.
        labels: class 0, 1, ... of every training sample, for losses of classes.
        test_labels: the same of the held-out samples.
        process: how noise is added.
        target: what is regressed.
        noise_draws: noises drawn per sample and kept, or inf for their exact average.
        ridge: weight decay, 0 or in [1e-12, 1e6].
        seed: of the frozen noises.

    Returns:
        ExactInstance, with frozen noises FrozenInstance.

    Raises:
        InputError: shapes that do not agree, NaN, bytes, Sigma not symmetric positive semi-definite, both or neither of
            covariance and test_data, labels that do not match or leave a class without samples, sigma not centred.

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
    spectra = covariance if isinstance(covariance, Population) else None
    arrays = given.checked(weights=weights, data=data, test_data=test_data,
                           covariance=None if spectra is not None else covariance)  # fmt: skip
    w, x = arrays["weights"], arrays["data"]
    if not isinstance(process, Process):
        raise bad("process", process, "rf.OU(), rf.Linear(), rf.Channel(signal, noise) or another rf.Process")
    setting = Setting(process.checked(t), process, as_target(target))
    act, draws, decay = as_activation(activation), noise_draws_in_range(noise_draws), float(ridge_in_range(ridge))
    fractions, sigmas = given.population(spectra, arrays)
    mean_squares = given.mean_squares(sigmas, arrays)
    held = None if test_data is None else given.classes("test_labels", test_labels, len(arrays["test_data"]))
    if held is None and test_labels is not None:
        raise bad("test_labels", "given", "None: a covariance knows its classes", "they belong to test_data")
    own = given.classes("labels", labels, len(x), fractions.size if held is None else 1 + int(held.max()))
    sigma = centre(act, np.sqrt(setting.signal**2 * mean_squares + setting.delta))
    model = Model(w, x, setting, sigma, act.kinks)
    given.warn_of_spaces(arrays, float(fractions @ mean_squares))
    tested = GaussianClasses(model, fractions, sigmas) if held is None else HeldOut(model, arrays["test_data"], held)
    return _exact(model, draws, decay, generator(seed), tested, own)


def _exact(
    model: Model,
    draws: float,
    ridge: float,
    rng: np.random.Generator,
    tested: GaussianClasses | HeldOut,
    labels: Int[Array, " n"],
) -> ExactInstance | FrozenInstance:
    n = model.data.shape[0]
    count = None if np.isinf(draws) else _countable(draws, model.data)
    train, error = model.over_noise(model.data) if count is None else (None, 0.0)
    test, more = whole(tested)
    if train is None:
        assert count is not None  # one of the two
        return frozen.build(model.weights, n, model.setting, count, functools.partial(model.copies, count), rng,
                            test, tested, labels, more, ridge)  # fmt: skip
    return ExactInstance(
        model.weights, n, model.setting, max(error, more), train.U, train.V, test.U, test.V,
        targets=(train.target, test.target), tested=tested, labels=labels, ridge=ridge, samples=model,
    )  # fmt: skip


def _countable(draws: float, data: Array) -> int:
    """m as an integer, refused where n m columns would take more than an hour to form."""
    if draws * data.size > _MAX_DRAWN:
        raise bad("noise_draws", draws, f"at most {_MAX_DRAWN // data.size} for n d = {data.size}", "use inf")
    return int(draws)

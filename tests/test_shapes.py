"""Shapes in annotations are checked while the suite runs, and results have the shapes they promise."""

from __future__ import annotations

import importlib
import pkgutil
import types

import jaxtyping
import numpy as np
import pytest
from jaxtyping import Complex, Float, Int

import rfscore as rf
import rfscore.finite
from rfscore.finite.features import correlation
from tests.theory.helpers import REGIMES, around_spectrum

PROBLEM = REGIMES["small"]


def test_every_function_of_the_package_is_checked() -> None:
    modules = ["rfscore"] + [
        m.name for m in pkgutil.walk_packages(rf.__path__, "rfscore.") if not m.name.endswith("__main__")
    ]
    assert len(modules) > 150
    for name in modules:
        own = {key: f for key, f in vars(importlib.import_module(name)).items() if getattr(f, "__module__", "") == name}
        plain = [key for key, f in own.items() if isinstance(f, types.FunctionType) and f.__name__ != "<lambda>"
                 and not hasattr(f, "__wrapped__")]  # fmt: skip
        assert not plain, name


def test_a_wrong_shape_is_caught_while_the_suite_runs() -> None:
    with pytest.raises(jaxtyping.TypeCheckError):
        correlation(np.ones((2, 3)))
    with pytest.raises(jaxtyping.TypeCheckError):
        correlation(np.ones((2, 2), dtype=np.int64))


def test_resolvent_has_the_shape_of_z() -> None:
    res = rf.resolvent(PROBLEM, around_spectrum(PROBLEM))
    for name in ("z", "q", "r", "s", "delta"):
        assert isinstance(getattr(res, name), Complex[np.ndarray, "8"]), name
    assert isinstance(res.residual, Float[np.ndarray, "8"]) and isinstance(res.status, Int[np.ndarray, "8"])


def test_kernel_has_one_entry_per_pair() -> None:
    z = around_spectrum(PROBLEM)
    assert isinstance(rf.two_point(PROBLEM, z, z).values, Complex[np.ndarray, "8 8"])


def test_curves_have_the_shape_of_tau() -> None:
    cur = rf.loss_curves(PROBLEM, np.geomspace(0.1, 1e6, 8))
    for name in ("tau", "train", "test", "score_error", "gap"):
        assert isinstance(getattr(cur, name), Float[np.ndarray, "8"]), name


def test_spectrum_has_one_row_per_bulk() -> None:
    spec = rf.spectrum(PROBLEM)
    assert isinstance(spec.edges, Float[np.ndarray, "2 2"]) and isinstance(spec.masses, Float[np.ndarray, "2"])
    assert isinstance(spec.density(np.ones((2, 3))), Float[np.ndarray, "2 3"])


def test_coefficients_and_timescales_are_double_scalars() -> None:
    co, times = rf.coefficients(PROBLEM), rf.timescales(PROBLEM)
    for name in ("mu1", "a", "b", "v2", "s2", "mean", "norm2", "gamma2", "alpha2", "error"):
        assert np.ndim(getattr(co, name)) == 0 and np.asarray(getattr(co, name)).dtype == np.float64, name
    for name in ("tau_gen_scale", "tau_mem_edge", "tau_last_edge", "tau_mem_law", "lambda_min", "lambda_lowest"):
        assert np.ndim(getattr(times, name)) == 0 and np.asarray(getattr(times, name)).dtype == np.float64, name

"""Pictures of results: they draw what the result holds, and return the axes."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

import rfscore as rf
from rfscore import plotting

PROBLEM = rf.ScoreProblem(8.0, 64.0, 0.01)
TAU = np.concatenate([[0.0], np.geomspace(1.0, 1e7, 29), [np.inf]])


def test_losses_are_drawn_at_every_finite_time() -> None:
    curves = rf.loss_curves(PROBLEM, TAU)
    ax = rf.plot.losses(curves, finite=curves)
    test, points, train, _ = ax.get_lines()
    assert np.array_equal(test.get_xdata(), TAU[1:-1]) and np.array_equal(test.get_ydata(), curves.test[1:-1])
    assert np.array_equal(train.get_ydata(), curves.train[1:-1]) and np.array_equal(
        points.get_ydata(), test.get_ydata()
    )
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["test", "training"]


def test_a_spectrum_has_a_line_for_each_bulk_and_one_for_the_atom() -> None:
    ax = Figure().subplots()
    assert rf.plot.spectrum(rf.spectrum(PROBLEM), ax) is ax
    assert len(ax.get_lines()) == 3 + 1 and ax.get_ylim()[0] == 0.0


def test_contributions_of_bulks_and_their_sum() -> None:
    split = rf.bulk_curves(PROBLEM, TAU)
    ax = rf.plot.contributions(split, "train")
    zero, total, *bulks = ax.get_lines()
    assert len(bulks) == 3 and np.allclose(total.get_ydata(), sum(line.get_ydata() for line in bulks))
    assert ax.get_ylabel() == "part of train loss" and zero.get_linewidth() < 1.0


@pytest.mark.parametrize(("psi_n", "psi_p", "draws"), [(1.0, 2.0, np.inf), (2.0, 4.0, 2)])
def test_no_point_beside_a_hard_edge_decides_the_scale_of_a_picture(psi_n: float, psi_p: float, draws: float) -> None:
    """The density is infinite at the floor; the curve away from it fills the axis."""
    spec = rf.spectrum(rf.ScoreProblem(psi_n, psi_p, 0.01, noise_draws=draws))
    _, axes = plotting.panels(1, 2)
    pieces = []
    for low, high in spec.edges:
        lam = plotting.places(low, high)
        pieces.append((lam, lam * spec.density(lam)))
    plotting.density(axes[0, 0], pieces)
    low, high = spec.edges[0]
    lam = np.linspace(low, high, 400)
    plotting.bulk(axes[0, 1], lam, spec.density(lam))
    assert axes[0, 1].get_ylim()[1] < 8 * spec.density(low + 0.05 * (high - low))
    assert axes[0, 0].get_ylim()[1] < 30 * max(np.median(y) for _, y in pieces)

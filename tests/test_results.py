"""Results speak: numbers when printed, a table in a notebook, dimensions and meanings in xarray."""

from __future__ import annotations

import copy
import pickle

import jax
import numpy as np
import pytest

import rfscore as rf
from rfscore.results import LossCurves, Result, meanings, quantity, short


def _every_result() -> list[type[Result]]:
    return sorted(Result.__subclasses__(), key=lambda kind: kind.__name__)


PROBLEM = rf.ScoreProblem(8.0, 64.0, 0.01)
TAU, ONES = np.array([[0.0, 1.0], [10.0, np.inf]]), np.ones((2, 2))
CURVES = LossCurves(TAU, ONES, 2.0 * ONES, 0.0 * ONES, 0.0 * ONES)


def test_a_result_prints_its_numbers() -> None:
    assert "f64" not in repr(rf.timescales(PROBLEM)) and repr(rf.timescales(PROBLEM)).startswith(
        "Timescales(tau_gen_scale=50.5, "
    )
    ones, twos, zeros = "[[1, 1], [1, 1]]", "[[2, 2], [2, 2]]", "[[0, 0], [0, 0]]"
    numbers = f"train={ones}, test={twos}, excess={zeros}, score_error={zeros}"
    assert repr(CURVES) == f"LossCurves(tau=[[0, 1], [10, inf]], {numbers}, status=0, message='')"


def test_a_notebook_shows_a_table_of_at_most_twelve_rows() -> None:
    tau = np.geomspace(1.0, 10.0, 100)
    table = LossCurves(tau, tau, tau, tau, tau)._repr_html_()
    assert table.count("<tr>") == 1 + 12 and "<td>1</td>" in table and "<td>10</td>" in table


def test_xarray_has_dimensions_units_and_meanings() -> None:
    data = CURVES.to_xarray()
    assert dict(data.sizes) == {"tau": 4} and data.train.attrs["long_name"].startswith("L_train(tau)")
    assert data.gap.values.tolist() == [1.0] * 4 and data.tau.attrs["units"] == "1"


@pytest.mark.parametrize("kind", _every_result(), ids=lambda kind: kind.__name__)
def test_every_quantity_of_every_result_has_a_meaning(kind: type[Result]) -> None:
    wanted = {name for name, field in kind.__dataclass_fields__.items() if "dims" in field.metadata}
    assert wanted and wanted <= set(meanings(kind))


def test_results_survive_a_pickle_and_a_copy() -> None:
    for twin in (pickle.loads(pickle.dumps(CURVES)), copy.deepcopy(CURVES)):
        assert repr(twin) == repr(CURVES)


def test_a_traced_result_can_still_be_printed() -> None:
    shown = []

    class Traced(Result):
        """Of one number.

        Attributes:
            x: the number.
        """

        x: jax.Array = quantity()

    jax.make_jaxpr(lambda x: shown.append(repr(Traced(x))) or x)(1.0)
    assert shown[0].startswith("Traced(x=") and "Traced" in shown[0]


def test_short_forms() -> None:
    assert short(54.123) == "54.12" and short(7) == "7" and short(True) == "True"
    assert short(np.array([1.0, 2.0 + 1.0j])) == "[1+0j, 2+1j]"


def test_what_the_theory_returns_prints_numbers_and_turns_into_datasets() -> None:
    tau = [0.0, 10.0, np.inf]
    found = (
        rf.loss_curves(PROBLEM, tau), rf.bulk_curves(PROBLEM, tau), rf.decomposition(PROBLEM, tau),
        rf.spectrum(PROBLEM), rf.timescales(PROBLEM), rf.resolvent(PROBLEM, [-1.0]), rf.coefficients(PROBLEM),
        rf.two_point(PROBLEM, [-1.0, 1j], [-2.0]), rf.large_psi_law(PROBLEM),
        rf.finite.draw(PROBLEM, 2).gradient_flow().mode_contributions(tau),
    )  # fmt: skip
    for result in found:
        assert isinstance(result, Result) and "(numpy)" not in repr(result) and "<table>" in result._repr_html_()
        data = result.to_xarray()
        wanted = {name for name, field in type(result).__dataclass_fields__.items() if "dims" in field.metadata}
        assert wanted and wanted <= set(data.variables)

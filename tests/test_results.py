"""Results speak: numbers when printed, a table in a notebook, dimensions and meanings in xarray."""

from __future__ import annotations

import copy
import pickle

import jax
import numpy as np
import pytest

from rfscore.results import LossCurves, Result, meanings, quantity, short


def _every_result() -> list[type[Result]]:
    return sorted(Result.__subclasses__(), key=lambda kind: kind.__name__)


CURVES = LossCurves(np.array([[0.0, 1.0], [10.0, np.inf]]), np.ones((2, 2)), 2.0 * np.ones((2, 2)), np.zeros((2, 2)))


def test_a_result_prints_its_numbers() -> None:
    ones, twos, zeros = "[[1, 1], [1, 1]]", "[[2, 2], [2, 2]]", "[[0, 0], [0, 0]]"
    assert repr(CURVES) == f"LossCurves(tau=[[0, 1], [10, inf]], train={ones}, test={twos}, score_error={zeros})"


def test_a_notebook_shows_a_table_of_at_most_twelve_rows() -> None:
    tau = np.geomspace(1.0, 10.0, 100)
    table = LossCurves(tau, tau, tau, tau)._repr_html_()
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

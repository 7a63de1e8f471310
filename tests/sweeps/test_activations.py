"""A user's activation in a sweep: known to workers, filed under what it computes, refused where that is unknown."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rfscore as rf
from rfscore.sweeps import Sweep, run
from rfscore.sweeps.store import Store

SOFT = "import jax.numpy as jnp\n\ndef soft(x):\n    return jnp.tanh({slope} * x)\n"
FIXED = {"psi_p": 4, "t": 0.1, "d": 10}
#: No main guard on purpose.
SCRIPT = """
from rfscore.sweeps import Sweep, run
sweep = Sweep({{"psi_n": [1, 2, 3], "activation": ["tanh", "own_soft:soft"]}}, {fixed}, "finite", [10.0])
print(int((run(sweep, "store", workers=2).status == 1).sum()))
"""


def sweep(activation: str) -> Sweep:
    return Sweep({"psi_n": [2.0]}, {**FIXED, "activation": activation}, "finite", [10.0])


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_soft", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    path = tmp_path / "own_soft.py"
    path.write_text(SOFT.format(slope=1.0), encoding="utf-8")
    return path


def test_a_changed_function_is_a_new_result(module: Path, tmp_path: Path) -> None:
    first = run(sweep("own_soft:soft"), tmp_path / "store", workers=0)
    module.write_text(SOFT.format(slope=1.5), encoding="utf-8")
    importlib.reload(sys.modules["own_soft"])
    second = run(sweep("own_soft:soft"), tmp_path / "store", resume=True, workers=0)
    wanted = rf.ScoreProblem(2.0, 4.0, 0.1, activation=lambda x: np.tanh(1.5 * x))
    losses = rf.finite.draw(wanted, d=10).gradient_flow().loss_curves([10.0])
    assert second.train.values.ravel() == pytest.approx(losses.train, abs=1e-12)
    assert abs(first.train.values - second.train.values).max() > 1e-3


def test_a_constant_from_elsewhere_is_part_of_the_function(module: Path, tmp_path: Path) -> None:
    (tmp_path / "own_slope.py").write_text("SLOPE = 1.0\n", encoding="utf-8")
    module.write_text("import numpy as np, own_slope\ndef soft(x):\n    return np.tanh(own_slope.SLOPE * x)\n", "utf-8")
    store, wanted = Store(tmp_path), sweep("own_soft:soft")
    before = store.keys(wanted)
    sys.modules["own_slope"].SLOPE = 1.1  # type: ignore[attr-defined]
    importlib.reload(sys.modules["own_soft"])
    assert store.keys(wanted) != before
    del sys.modules["own_slope"]


def test_workers_know_it_and_a_script_needs_no_main_guard(module: Path, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT.format(fixed=FIXED), encoding="utf-8")
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout.strip()) == (0, "6"), done.stderr
    assert "Traceback" not in done.stderr
    there = Store(tmp_path / "store").dataset()
    same = there.sel(activation=["tanh", "own_soft:soft"]).train.values
    assert np.allclose(same[:, 0], same[:, 1], atol=1e-12)  # slope 1 is tanh


@pytest.mark.parametrize(
    ("name", "why"), [("own_soft:soft", "source can be read"), ("swish", "module:function"), ("__main__:f", "file.py")]
)
def test_what_has_no_identity_is_refused_before_the_store_is_taken(
    name: str, why: str, module: Path, tmp_path: Path
) -> None:
    module.write_text("scope = {}\nexec('def soft(x): return x / (1 + x * x)', scope)\nsoft = scope['soft']\n", "utf-8")
    with pytest.raises(rf.InputError, match=why):
        run(sweep(name), tmp_path / "store", workers=0)
    assert not (tmp_path / "store").exists()


def test_a_worker_with_another_function_is_refused(module: Path, tmp_path: Path) -> None:
    from rfscore.sweeps import work

    wanted = sweep("own_soft:soft")
    tasks = work.tasks(wanted, keys := Store(tmp_path).keys(wanted), set(keys), tmp_path)
    module.write_text(SOFT.format(slope=1.5), encoding="utf-8")
    importlib.reload(sys.modules["own_soft"])
    with pytest.raises(rf.SolveError, match="your activation"):
        work.work(tasks[0])

"""Trained networks as points of a sweep: their numbers are those of the run, and an interrupted training goes on."""

from __future__ import annotations

import numpy as np
import pytest

from rfscore.runs.summary import RunSummary
from rfscore.sweeps import Store, Sweep, run

SHARED = {
    "data": {"source": "mixture", "test": 64},
    "network": {"kind": "mlp", "width": 8},
    "training": {"steps": 40, "snapshots": 4, "first_snapshot": 5, "batch": 8},
    "measurement": {"noises": 2, "samples": 40, "sampler_steps": 4},
}


@pytest.mark.slow
def test_a_network_sweep_trains_measures_and_resumes(tmp_path):
    sweep = Sweep({"data.n": [8, 16]}, {"seed": 3}, "network", config=SHARED)
    data = run(sweep, tmp_path / "store", workers=0)
    assert data.status.dims == ("data.n",) and bool((data.status.isin([1, 2])).all()), data.message.values
    store = Store(tmp_path / "store")
    for i, key in enumerate(store.keys(sweep)):
        summary = RunSummary.load(tmp_path / "store" / "runs" / key / "summary.json")
        assert summary.n == (8, 16)[i]
        test = summary.curve("test_loss")[1]
        assert float(data.test_inf[i]) == test[-1] and float(data.test_opt[i]) == test.min()
        assert float(data.f_mem[i]) == summary.curve("f_mem")[1][-1]
    for file in (tmp_path / "store" / "records").glob("*.jsonl"):
        file.unlink()  # the records are gone, the folders of the runs are there: nothing is trained again
    assert run(sweep, tmp_path / "store", resume=True, workers=0).equals(data)
    assert np.isnan(data.tau_onset).sum() == 0 or bool((data.message != "").any())

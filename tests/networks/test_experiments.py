"""The experiments' own programs: what the queue trains next, and what is started on a machine lent for minutes."""

import json

import numpy as np

from experiments import gpu, queue
from experiments.queue import Stage
from rfscore.runs.summary import RunSummary

SMALL = ("training.steps=60", "training.first_snapshot=20", "training.snapshots=2", "measurement.samples=64",
         "measurement.sampler_steps=10", "measurement.noises=2")  # fmt: skip


def stage(n, until=60):
    return Stage("mixture_sgd", n, 16, until, SMALL, full=True)


def test_every_planned_stage_has_a_config_of_its_name_and_only_grows():
    reached = {}
    for each in queue.plan():
        config = each.config("faces.npz")
        assert config.name == each.name and each.until > 0
        assert each.until >= reached.get(each.name, 0)
        reached[each.name] = each.until
    assert {name.split("-")[0] for name in reached} == {"mixture_sgd", "faces", "digits"}


def test_a_stage_is_trained_measured_and_then_skipped(tmp_path):
    queue.work(stage(16, 30), tmp_path, None)
    folder = tmp_path / stage(16).name
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["step"] == 30 and RunSummary.load(folder / "summary.json").tau.tolist() == [0, 20]
    assert queue.finished(folder, stage(16, 30)) and not queue.finished(folder, stage(16, 60))
    queue.work(stage(16), tmp_path, None)
    assert RunSummary.load(folder / "summary.json").tau.tolist() == [0, 20, 60]


def test_a_run_with_enough_copies_does_not_go_on(tmp_path):
    RunSummary("x", 16, 16, np.array([1.0, 2.0]), {"f_mem": np.array([np.nan, 0.3])}).save(tmp_path / "summary.json")
    assert queue.finished(tmp_path, stage(16))
    RunSummary("x", 16, 16, np.array([1.0, 2.0]), {"f_mem": np.array([np.nan, 0.1])}).save(tmp_path / "summary.json")
    assert not queue.finished(tmp_path, stage(16))


def test_on_a_lent_machine_only_what_fits_is_started(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gpu, "RESERVE_S", 0.0)
    monkeypatch.setattr(gpu, "cost", lambda stage, source: {16: 1.0, 24: 1e6, 32: 2.0}[stage.n])
    done = gpu.main(3.0, None, tmp_path, [stage(16), stage(24), stage(32)])
    assert done == [stage(16).name, stage(32).name] and "1000000 s needed" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "summaries").iterdir()) == sorted(
        f"{stage(n).name}{end}.json" for n in (16, 32) for end in ("", ".manifest")
    )
    assert gpu.main(0.0, None, tmp_path / "none", [stage(16)]) == []


def test_the_cost_of_a_run_grows_with_its_steps():
    short, long = gpu.cost(stage(16, 60), None), gpu.cost(stage(16, 600_000), None)
    assert 0 < short < 10 < long
    assert all(each.config("faces.npz").training.precision == "bfloat16" for each in gpu.STAGES)


def test_the_queue_says_what_it_leaves_out_without_faces(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(queue, "plan", lambda: [Stage("faces", 16, 16, 100), stage(16, 20)])
    queue.main(tmp_path, None)
    assert "faces-W16-n16: left out" in capsys.readouterr().out
    assert (tmp_path / stage(16).name / "summary.json").exists()
    assert queue.collect(tmp_path, tmp_path / "here") == [stage(16).name]
    assert RunSummary.load(tmp_path / f"here/mixture_sgd/summaries/{stage(16).name}.json").n == 16

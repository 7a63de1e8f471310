"""One run, logged by many programs, is one run; what could mean two things is refused by line and column."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from rfscore.errors import InputError
from rfscore.runs.columns import role_of
from rfscore.runs.compare import compare
from rfscore.runs.dataset import to_xarray
from rfscore.runs.events import masked_crc, read_events
from rfscore.runs.load import load_run, load_runs
from rfscore.runs.logs import from_name

TAU = np.unique(np.geomspace(200, 2e5, 30).astype(int))
TEST = np.round(0.3 + 0.01 * np.log(TAU / 3e3) ** 2, 6)
TRAIN = np.round(0.3 - 0.1 / (1 + (3e4 / TAU) ** 2), 6)
F_MEM = np.round(0.9 / (1 + (3e4 / TAU) ** 2.5), 6)
ROWS = list(zip(TAU.tolist(), TRAIN.tolist(), TEST.tolist(), F_MEM.tolist(), strict=True))


def csv(rows=ROWS, header="step,train_loss,val_loss,f_mem", mark=",", decimals="."):
    lines = [mark.join(str(x).replace(".", decimals) for x in row) for row in rows]
    return "\n".join([header, *lines, ""])


def lightning():
    rows = ["epoch,step,train_loss,val_loss,f_mem"]
    for step, train, test, f_mem in ROWS:
        rows += [f"{step // 10},{step},{train},,", f"{step // 10},{step},,{test},{f_mem}"]
    return "\n".join(rows)


def trainer_state():
    history = []
    for step, train, test, f_mem in ROWS:
        history += [{"loss": train, "learning_rate": 1e-4, "step": step}]
        history += [{"eval_loss": test, "eval_f_mem": f_mem, "eval_runtime": 1.0, "step": step}]
    return json.dumps({"best_metric": None, "log_history": history})


def wandb():
    lines = [json.dumps({"_step": i, "trainer": {"global_step": step}, "train/loss": train, "val/loss": test,
                         "f_mem": f_mem}) for i, (step, train, test, f_mem) in enumerate(ROWS)]  # fmt: skip
    return "\n".join([*lines, '{"_step": 99, "trai'])  # as a killed run leaves it


RESUMED = [*ROWS[:20], *((s, a + 1, b + 1, c) for s, a, b, c in ROWS[20:24]), *ROWS[20:]]
LONG = [[(s, "train", a, "") for s, a, _, _ in ROWS], [(s, "val", b, c) for s, _, b, c in ROWS]]
WRITTEN = {
    "metrics.csv": csv(),
    "tabs.tsv": csv(mark="\t", header="step\ttrain_loss\tval_loss\tf_mem"),
    "excel.csv": "\ufeff" + csv(header="Step;Train loss;Test loss;f_mem", mark=";", decimals=","),
    "percent.csv": csv([(s, a, b, f"{100 * c:.4f}%") for s, a, b, c in ROWS]),
    "named.csv": csv([(s, a, b, round(100 * c, 4)) for s, a, b, c in ROWS], "step,train_loss,val_loss,f_mem (%)"),
    "savetxt.txt": "# step train_loss test_loss memorized_fraction\n" + csv(mark=" ").split("\n", 1)[1],
    "comments.csv": "# lr 1e-4\n" + csv() + "# done\n",
    "shuffled.csv": csv(ROWS[::-1]),
    "resumed.csv": csv(RESUMED),
    "dates.csv": csv([(f"2026-01-01 10:00:{i:02d}", *row) for i, row in enumerate(ROWS)],
                     "time stamp,step,train_loss,val_loss,f_mem"),
    "lightning.csv": lightning(),
    "phases.csv": csv([*LONG[0], *LONG[1]], "step,phase,loss,f_mem"),
    "trainer_state.json": trainer_state(),
    "history.json": json.dumps({"step": TAU.tolist(), "loss": TRAIN.tolist(), "val_loss": TEST.tolist(),
                                "fmem": F_MEM.tolist()}),
    "wandb.jsonl": wandb(),
}  # fmt: skip


def assert_is_the_run(run, tolerance=1e-6):
    assert run.tau.tolist() == TAU.tolist()
    for name, values in (("train_loss", TRAIN), ("test_loss", TEST), ("f_mem", F_MEM)):
        np.testing.assert_allclose(run.columns[name], values, atol=tolerance)


@pytest.mark.parametrize("name", WRITTEN)
def test_one_run_logged_by_many_programs_is_one_run(tmp_path, name):
    (tmp_path / name).write_text(WRITTEN[name], encoding="utf-8")
    run = load_run(f"{tmp_path / name}:n=128,W=16")
    assert (run.n, run.width) == (128, 16)
    assert_is_the_run(run)


def test_what_was_done_is_said(tmp_path):
    for name, words in (("resumed.csv", "came again, as after a resume"), ("named.csv", "read as per cent"),
                        ("wandb.jsonl", "cut short"), ("shuffled.csv", "sorted")):  # fmt: skip
        (tmp_path / name).write_text(WRITTEN[name], encoding="utf-8")
        assert any(words in note for note in load_run(f"{tmp_path / name}:n=1").facts["notes"]), name


def test_arrays_with_their_sizes(tmp_path):
    np.savez(tmp_path / "a.npz", steps=TAU, train_losses=TRAIN, test_losses=TEST, fmem=F_MEM, n=64, W=8)
    run = load_run(tmp_path / "a.npz")
    assert (run.n, run.width) == (64, 8)
    assert_is_the_run(run)


def record(data):
    head = struct.pack("<Q", len(data))
    return head + struct.pack("<I", masked_crc(head)) + data + struct.pack("<I", masked_crc(data))


def event(step, tag, value):
    """An Event with a Summary with one simple value, by the published proto."""
    one = b"\x0a" + bytes([len(tag)]) + tag.encode() + b"\x15" + struct.pack("<f", value)
    summary = b"\x0a" + bytes([len(one)]) + one
    number = b""
    while step >= 0x80:
        number, step = number + bytes([step & 0x7F | 0x80]), step >> 7
    number += bytes([step])
    return b"\x09" + struct.pack("<d", 1.7e9) + b"\x10" + number + b"\x2a" + bytes([len(summary)]) + summary


def events():
    rows = [(s, tag, x) for s, a, b, c in ROWS for tag, x in (("Loss/train", a), ("Loss/val", b), ("f_mem", c))]
    return record(b"\x09" + struct.pack("<d", 1.7e9)) + b"".join(record(event(*row)) for row in rows)


def test_event_files_damaged_or_cut_short(tmp_path):
    file = tmp_path / "n64_W8" / "events.out.tfevents.1.host"
    file.parent.mkdir()
    file.write_bytes(events())
    run = load_run(file.parent)
    assert (run.n, run.width, run.name) == (64, 8, "n64_W8")
    assert_is_the_run(run)
    file.write_bytes(events()[:-7])  # a killed run
    assert len(read_events(file)) == 3 * len(ROWS) - 1
    broken = bytearray(events())
    broken[200] ^= 1
    file.write_bytes(broken)
    with pytest.raises(InputError, match=r"damaged at record \d+"):
        load_run(file.parent)


def test_event_files_of_the_real_writer(tmp_path):
    writer = pytest.importorskip("tensorboardX", reason="needs TensorBoard's event writer")
    with writer.SummaryWriter(str(tmp_path / "n64_W8")) as log:
        for step, train, test, f_mem in ROWS:
            log.add_scalars("loss", {"train": train, "test": test}, step)
            log.add_scalar("memorization/fraction", f_mem, step)
        log.add_text("config", "n = 64")
        log.add_histogram("weights", np.arange(9.0))
    assert_is_the_run(load_run(tmp_path / "n64_W8"))


def test_sizes_come_from_column_config_and_folder(tmp_path):
    both = [(128, *row) for row in ROWS] + [(256, s * 2, a, b, c) for s, a, b, c in ROWS]
    (tmp_path / "both.csv").write_text(csv(both, "n_train,step,train_loss,val_loss,f_mem"))
    assert [run.n for run in load_runs([tmp_path / "both.csv"])] == [128, 256]
    folder = tmp_path / "version_0"
    folder.mkdir()
    (folder / "metrics.csv").write_text(csv())
    (folder / "config.json").write_text('{"data": {"n_train": {"value": 32}}, "net": {"nbase": 8}, "lr": 0.1}')
    run = load_run(folder)
    assert (run.n, run.width, run.facts["learning_rate"], run.name) == (32, 8, 0.1, "version_0")
    sizes, settings = from_name("unet_Sprites16_1024_32_SGD_Momentum_512_0.0001_seed1_tuned")
    assert sizes == {"n": 1024, "W": 32}
    assert settings == {"optimizer": "SGD_Momentum", "batch": 512, "learning_rate": 1e-4, "seed": 1}


def test_a_column_in_per_cent_in_one_log_is_so_in_all(tmp_path):
    small = [(s, a, b, c) for s, a, b, c in ROWS]  # below 1 per cent, which alone would pass for fractions
    large = [(s, a, b, round(100 * c, 4)) for s, a, b, c in ROWS]
    for name, rows in (("n64.csv", large), ("n4096.csv", small)):
        (tmp_path / name).write_text(csv(rows))
    runs = load_runs([tmp_path / "n64.csv", tmp_path / "n4096.csv"])
    assert runs[1].columns["f_mem"].max() == pytest.approx(F_MEM.max() / 100)
    assert any("as in the other logs" in note for note in runs[1].facts["notes"])


def test_dense_noisy_logs_are_averaged_with_their_errors(tmp_path):
    rng = np.random.default_rng(0)
    steps = np.arange(1, 4001)
    loss = 0.5 + 0.02 * rng.standard_normal(steps.size)
    rows = [(s, x, f"{0.5 + 1e-3 * np.log(s / 300) ** 2:.6f}" if s % 100 == 0 else "")
            for s, x in zip(steps, loss, strict=True)]  # fmt: skip
    (tmp_path / "n64.csv").write_text(csv(rows, "step,loss,val_loss"))
    run = load_run(tmp_path / "n64.csv")
    assert run.tau.tolist() == list(range(100, 4001, 100))
    half = (run.columns["train_loss_high"] - run.columns["train_loss_low"]) / 2
    assert abs(np.median(half) / (1.96 * 0.02 / 10) - 1) < 0.2  # a hundred values each
    assert np.mean(np.abs(run.columns["train_loss"] - 0.5) < half) > 0.8


REFUSED = {
    "no number": (csv().replace(f"{ROWS[3][1]},", "0.3x,", 1), "line .*column.*numbers like"),
    "two losses": (csv(header="step,train_loss_step,train_loss_epoch,f_mem"), r"--train NAME"),
    "no step": (csv(header="a,train_loss,val_loss,f_mem"), r"--step NAME"),
    "no curve": (csv(header="step,a,b,c"), r"--train, --test and --fmem"),
    "no header": (csv().split("\n", 1)[1], "names of the columns in the first line"),
    "cut short": (csv() + "300000,1\n", "line 32.*2 columns"),
    "thousands": (csv([("1,000", 0.3, 0.3, 0.1), ("2,000", 0.3, 0.3, 0.1)], mark=";",
                      header="step;train_loss;val_loss;f_mem"), "decimals or thousands"),
    "twice": (csv([*ROWS, (ROWS[-1][0], 9, 9, 0.5)]), r"line 32.*each step once.*has it too"),
    "above 100": (csv([(s, a, b, 300 * c) for s, a, b, c in ROWS]), "values from 0 to 100"),
    "negative": (csv([(s, a, b, c - 0.5) for s, a, b, c in ROWS]), "values from 0 to 1"),
    "empty": ("", "no rows"),
    "header twice": (csv(header="step,val_loss,val_loss,f_mem"), "'val_loss' twice"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_clear_is_refused_by_line_and_column(tmp_path, name):
    content, message = REFUSED[name]
    (tmp_path / "n64.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        load_run(tmp_path / "n64.csv")


def test_sizes_and_files_that_are_missing_are_asked_for(tmp_path):
    (tmp_path / "log.csv").write_text(csv())
    with pytest.raises(InputError, match=r"n of log.*:n=1024,W=32"):
        load_run(tmp_path / "log.csv")
    (tmp_path / "other.csv").write_text(csv())
    with pytest.raises(InputError, match=r"one log.*log\.csv.*other\.csv"):
        load_run(tmp_path)
    with pytest.raises(InputError, match=r"--test of .*'validation'"):
        load_run(f"{tmp_path / 'log.csv'}:n=4", columns={"test_loss": "validation"})
    (tmp_path / "bad.jsonl").write_text('{"step": 1, "loss": 1}\n{"step": \n{"step": 3, "loss": 1}\n')
    with pytest.raises(InputError, match=r"line 2 of log"):
        load_run(f"{tmp_path / 'bad.jsonl'}:n=4")
    np.savez(tmp_path / "odd.npz", steps=TAU, loss=TRAIN[:-3], n=4)
    with pytest.raises(InputError, match="lengths of the arrays"):
        load_run(tmp_path / "odd.npz")
    np.savez(tmp_path / "object.npz", steps=np.array([{}, 1], dtype=object))
    with pytest.raises(InputError, match="numbers alone"):
        load_run(tmp_path / "object.npz")


@pytest.mark.parametrize(
    ("name", "role"),
    [("Loss/train", "train_loss"), ("train/val_loss", "test_loss"), ("eval_train_loss", "train_loss"),
     ("validation/epoch_loss", "test_loss"), ("valLoss", "test_loss"), ("loss", "train_loss"), ("val_loss__MIN", None),
     ("gpu_memory", None), ("memorization/fraction", "f_mem"), ("FID", "frechet"), ("trainer/global_step", "step"),
     ("learning_rate", None)],
)  # fmt: skip
def test_columns_are_known_by_their_names(name, role):
    assert role_of(name) == role


def test_runs_of_one_name_are_told_apart_and_the_dataset_has_everything(tmp_path):
    for n, seed in ((64, 0), (64, 1), (128, 0)):
        folder = tmp_path / f"n{n}" / f"seed{seed}"
        folder.mkdir(parents=True)
        (folder / "run.csv").write_text(csv([(s * n // 64 + seed, a, b, c) for s, a, b, c in ROWS]))
    found = compare(sorted(tmp_path.rglob("*.csv")), prediction=False, resamples=500)
    names = [x.run.name for x in found.runs]
    assert len(set(names)) == 3 and all("run" in name for name in names)
    data = to_xarray(found)
    assert data["tau_onset"].sel(run=names[0]).item() == found.runs[0].times["tau_onset"].observable.value
    assert data["test_loss"].dims == ("run", "place") and data["tau_opt"].attrs["units"] == "optimiser steps"

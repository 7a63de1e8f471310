"""Records are whole or absent, damage is named, and a store serves again."""

from __future__ import annotations

import errno
import json
import os

import numpy as np
import pytest
import xarray as xr

import rfscore.output
import rfscore.sweeps.records
from rfscore.errors import InputError, RfscoreError
from rfscore.sweeps import Sweep, engine, run, work
from rfscore.sweeps.outcome import Outcome
from rfscore.sweeps.store import Store, statuses
from tests.sweeps.helpers import finite


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished sweep: its folder, its Dataset and the sweep. Tests that change files take a copy."""
    path = tmp_path_factory.mktemp("done") / "store"
    return path, run(finite(), path, workers=0), finite()


@pytest.fixture
def copy(done, tmp_path):
    import shutil

    return shutil.copytree(done[0], tmp_path / "store")


def records(path):
    (file,) = (path / "records").glob("*.jsonl")
    return file


def test_the_dataset_has_names_units_and_a_status_per_point(done):
    _, data, _ = done
    assert data.gap.dims == ("psi_n", "seed", "tau") and data.status.dims == ("psi_n", "seed")
    assert data.sizes == {"psi_n": 3, "seed": 6, "tau": 2}
    assert data.psi_n.attrs["units"] == "n/d" and data.tau_opt.attrs["units"] == "training time"
    assert float(data.psi_p) == 6.0 and int(data.d) == 12 and data.attrs["model"] == "finite"
    missing = np.isnan(data[["tau_opt", "tau_half", "gap"]].to_array()).any(["variable", "tau"])
    assert bool(((data.status != 1) | ~missing).all())
    assert bool(((data.message != "") == (data.status != 1)).all())


def test_every_value_is_that_of_the_point_it_is_named_after(done):
    import rfscore as rf

    _, data, _ = done
    flow = rf.finite.draw(rf.ScoreProblem(4.0, 6.0, 0.1), 12, 5).gradient_flow()
    here = data.sel(psi_n=4.0, seed=5)
    np.testing.assert_allclose(here.test, flow.loss_curves([10.0, 1e3]).test, rtol=1e-12)
    assert not np.allclose(data.sel(psi_n=4.0, seed=4).test, here.test)


def test_zarr_on_disk_is_the_dataset(done):
    path, data, _ = done
    read = xr.open_zarr(path / "results.zarr").load()
    assert read.equals(data) and read.gap.attrs == data.gap.attrs
    assert Store(path).damages() == []


def test_a_second_run_evaluates_nothing(done, monkeypatch):
    path, data, sweep = done
    monkeypatch.setattr(engine, "work", lambda task: pytest.fail("evaluated again"))
    assert run(sweep, path, resume=True, workers=0).equals(data)


def test_other_axes_use_what_is_there(copy, monkeypatch):
    seen = []

    def counting(task):
        seen.extend(task.points)
        return work.work(task)

    monkeypatch.setattr(engine, "work", counting)
    wider = Sweep({"psi_n": [1.0, 3.0, 4.0], "seed": [0, 7]}, finite().fixed, "finite", [10.0, 1e3])
    data = run(wider, copy, resume=True, workers=0)
    assert len(seen) == 4 and bool((data.status > 0).all())  # psi_n = 3, and seed 7 of the others


@pytest.mark.parametrize("change", [{"tau": [10.0, 2e3]}, {"fixed": {"psi_p": 6.0, "t": 0.1, "d": 13}}])
def test_other_settings_share_no_record(done, change):
    plain = done[2].plain() | change
    other = Sweep(**plain)
    assert not set(Store(done[0]).keys(done[2])) & set(Store(done[0]).keys(other))


def test_other_code_shares_no_record(done, monkeypatch):
    from rfscore.sweeps import keys

    before = Store(done[0]).keys(done[2])
    monkeypatch.setattr(keys, "code_version", lambda model: "another")
    assert not set(before) & set(Store(done[0]).keys(done[2]))


def test_a_folder_with_a_sweep_needs_resume(done):
    with pytest.raises(InputError, match="--resume"):
        run(done[2], done[0], workers=0)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="new or empty"):
        run(finite(), tmp_path, workers=0, resume=True)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_flipped_bit_in_a_record_is_named_and_evaluated_again(copy, done):
    file = records(copy)
    lines = file.read_bytes().splitlines(keepends=True)
    at = lines[3].index(b'"values"') + 30
    lines[3] = lines[3][:at] + bytes([lines[3][at] ^ 1]) + lines[3][at + 1 :]
    file.write_bytes(b"".join(lines))
    key = json.loads(lines[3][33:].split(b', "values"')[0] + b"}")["key"]
    (damage,) = Store(copy).damages()
    assert damage.key == key and damage.place == f"records/{file.name} line 4"
    assert int((Store(copy).dataset().status == 0).sum()) == 1
    assert run(done[2], copy, resume=True, workers=0).equals(done[1])
    assert Store(copy).damages() == []


@pytest.mark.parametrize("cut", [1, 40, 400])
def test_a_record_that_was_cut_off_is_no_record_and_no_damage(copy, done, cut):
    file = records(copy)
    file.write_bytes(file.read_bytes()[:-cut])
    assert Store(copy).damages() == []
    assert int((Store(copy).dataset().status == 0).sum()) == 1
    assert run(done[2], copy, resume=True, workers=0).equals(done[1])


def test_a_damaged_chunk_is_detected_named_and_made_anew(copy, done):
    chunk = copy / "results.zarr" / "gap" / "c" / "0" / "0" / "0"
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 4
    chunk.write_bytes(content)
    assert [str(d) for d in Store(copy).damages()] == ["results.zarr chunk gap/c/0/0/0"]
    with pytest.raises(ValueError, match="checksum"):  # zarr's own check: nobody reads a wrong number
        xr.open_zarr(copy / "results.zarr").gap.load()
    run(done[2], copy, resume=True, workers=0)
    assert Store(copy).damages() == [] and xr.open_zarr(copy / "results.zarr").load().equals(done[1])


def test_a_lost_chunk_is_named(copy):
    (copy / "results.zarr" / "tau_opt" / "c" / "0" / "0").unlink()
    assert [str(d) for d in Store(copy).damages()] == ["results.zarr chunk tau_opt/c/0/0"]


def test_a_damaged_request_loses_no_result(copy, done):
    (copy / "sweep.json").write_text('{"made_by": "rfsc')
    with pytest.raises(InputError, match="repeat the sweep's command with --resume"):
        Store(copy).sweep()
    (copy / "sweep.json").unlink()
    assert run(done[2], copy, resume=True, workers=0).equals(done[1])


def test_a_full_disk_keeps_what_was_filed(tmp_path, monkeypatch, done):
    """The ninth write of a record finds half of its room: as write(2) does on a full disk."""
    store, write, calls = tmp_path / "store", os.write, []

    def full(file, text):
        calls.append(len(text))
        if len(calls) == 9:
            return write(file, text[: len(text) // 2])
        if len(calls) > 9:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, text)

    monkeypatch.setattr(rfscore.sweeps.records.os, "write", full)
    with pytest.raises(RfscoreError, match=r"disk full.*--resume"):
        run(finite(), store, workers=0)
    monkeypatch.undo()
    assert len(Store(store).index().outcomes) == 8 and Store(store).damages() == []
    assert run(finite(), store, resume=True, workers=0).equals(done[1])


def test_a_full_disk_is_the_kernels_own_error_too(done, monkeypatch):
    """/dev/full answers every write with ENOSPC."""
    store = Store(done[0])
    with store.journal() as journal:
        real = journal._file
        journal._file = os.open("/dev/full", os.O_WRONLY)
        with pytest.raises(RfscoreError, match="disk full"):
            journal.append([("0" * 32, Outcome("ok", "", {"gap": (1.0,)}), 0.1)])
        os.close(journal._file)
        journal._file = real


@pytest.mark.parametrize("module", [rfscore.output, rfscore.sweeps.records.os])
def test_a_read_only_store_says_so_and_can_be_read(copy, done, monkeypatch, module):
    """Refused as a read-only file system refuses, whoever asks: at sweep.json, and at the record file."""
    really = getattr(module, "open", open)

    def refuse(path, mode="r", *rest):
        writing = mode & os.O_CREAT if isinstance(mode, int) else "r" not in mode
        if writing and str(path).startswith(str(copy)):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return really(path, mode, *rest)

    monkeypatch.setattr(module, "open", refuse, raising=False)
    with pytest.raises(InputError, match=r"cannot write.*Read-only.*choose a folder you may write to"):
        run(done[2], copy, resume=True, workers=0)
    assert Store(copy).dataset().equals(done[1]) and Store(copy).damages() == []


def test_a_failed_point_keeps_status_and_message_and_is_retried_alone(tmp_path, monkeypatch, done):
    from rfscore.sweeps import finite as model

    evaluate, seen = model.evaluate, []

    def fragile(point, tau):
        seen.append((point["psi_n"], point["seed"]))
        if point["psi_n"] == 2.0 and point["seed"] == 3:
            raise MemoryError("no room for U: lower d")
        return evaluate(point, tau)

    monkeypatch.setattr(model, "evaluate", fragile)
    data = run(finite(), tmp_path / "store", workers=0)
    here = data.sel(psi_n=2.0, seed=3)
    assert int(here.status) == 3 and here.message.item() == "MemoryError: no room for U: lower d"
    assert np.isnan(here.test_opt) and int((data.status == 3).sum()) == 1
    seen.clear()
    run(finite(), tmp_path / "store", workers=0, resume=True)
    assert seen == []  # a failed point is not tried again unasked
    monkeypatch.setattr(model, "evaluate", lambda point, tau: seen.append(point) or evaluate(point, tau))
    again = run(finite(), tmp_path / "store", workers=0, resume=True, retry_failed=True)
    assert len(seen) == 1 and again.equals(done[1])


def test_counts_are_of_this_sweep_only(copy):
    half = Sweep({"psi_n": [1.0, 5.0], "seed": [0]}, finite().fixed, "finite", [10.0, 1e3])
    store = Store(copy)
    assert statuses(store.index(), store.keys(half))["pending"] == 1
    assert sum(statuses(store.index(), store.keys(half)).values()) == 2


@pytest.mark.parametrize("value", [0.1, 1e-308, -0.0, np.nextafter(1, 2), np.inf, np.nan, 1.7976931348623157e308])
def test_numbers_come_back_to_the_bit(tmp_path, value):
    (tmp_path / "records").mkdir()
    with Store(tmp_path).journal() as journal:
        journal.append([("a" * 32, Outcome("ok", "", {"gap": (value, 2.0), "test_opt": value}), 0.0)])
    found = Store(tmp_path).index().outcomes["a" * 32].values
    assert np.float64(found["test_opt"]).tobytes() == np.float64(value).tobytes()
    assert np.float64(found["gap"][0]).tobytes() == np.float64(value).tobytes()

"""The same samples in any file, scale and layout have one f_mem; copies are found, hostile files refused."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from rfscore.cli import main
from rfscore.data.points import Points, load_points
from rfscore.data.torch_file import load_tensors
from rfscore.errors import InputError
from rfscore.memorization import memorised_fraction
from rfscore.runs.memorised import find_copies

RNG = np.random.default_rng(0)
TRAIN = RNG.uniform(size=(400, 6, 6, 1)).astype(np.float32)
COPIES = 30
SAMPLES = np.concatenate([TRAIN[:COPIES] + 0.01, RNG.uniform(size=(70, 6, 6, 1))]).clip(0, 1).astype(np.float32)


def nchw(x):
    return np.moveaxis(x, -1, 1)


FORMS = {
    "floats": (SAMPLES, "[0, 1]"),
    "halves": (SAMPLES.astype(np.float16), "[0, 1]"),
    "bytes": (np.rint(255 * SAMPLES).astype(np.uint8), "0 ... 255"),
    "byte values as floats": (255 * SAMPLES, "0 ... 255"),
    "from -1 to 1, channels first": (nchw(2 * SAMPLES - 1), "[-1, 1]"),
    "without channel": (SAMPLES[..., 0], "[0, 1]"),
    "colour": (np.repeat(SAMPLES, 3, axis=-1), "[0, 1]"),
    "colour, channels first": (nchw(np.repeat(SAMPLES, 3, axis=-1)), "[0, 1]"),
    "rows": (SAMPLES.reshape(100, 36), "[0, 1]"),
}


def found(samples, train=TRAIN, **options):
    as_points = [x if isinstance(x, Points) else Points(x, "[0, 1]") for x in (samples, train)]
    return find_copies(*as_points, **options)


@pytest.mark.parametrize("name", FORMS)
def test_one_f_mem_whatever_the_file(tmp_path, name):
    array, scale = FORMS[name]
    np.save(tmp_path / "s.npy", array)
    points = load_points(tmp_path / "s.npy")
    assert points.scale == scale
    copies = found(points)
    assert [x.count for x in copies.fractions] == [COPIES] * 3
    assert set(copies.suspicious[:COPIES]) == set(range(COPIES))
    assert copies.index[:COPIES, 0].tolist() == list(range(COPIES))
    assert copies.verdict.startswith("copies: f_mem = 0.3 ")
    expected = memorised_fraction(SAMPLES.reshape(100, -1), TRAIN.reshape(400, -1))
    assert copies.fractions[1].interval == expected.interval


def test_new_points_are_no_copies_and_few_samples_decide_nothing():
    assert found(SAMPLES[COPIES:]).verdict.startswith("no more copies than chance")
    assert found(SAMPLES[[0, 40, 50]]).verdict.startswith("not decided by 3 samples")


def test_the_chance_level_is_that_of_points_like_the_training_points():
    rng = np.random.default_rng(1)
    plane = rng.uniform(size=(4000, 2)).astype(np.float32)
    copies = found(rng.uniform(size=(50, 2)).astype(np.float32), plane)
    for level, k in zip(copies.chance, (1 / 4, 1 / 3, 1 / 2), strict=True):
        assert level.interval[0] < k**2 < level.interval[1] and level.samples == 400
    real = found(SAMPLES, held_out=Points(RNG.uniform(size=(33, 6, 6, 1)).astype(np.float32), "[0, 1]"))
    assert real.chance[1].samples == 33


def test_mirrored_and_moved_copies_are_found_on_demand():
    train = np.random.default_rng(2).uniform(size=(300, 24, 24, 1)).astype(np.float32)
    mirrored, moved = train[:20, :, ::-1], np.concatenate([train[:20, :, :1], train[:20, :, :-1]], axis=2)
    assert found(mirrored, train).fractions[1].count == 0
    assert found(mirrored, train, flips=True).fractions[1].count == 20
    assert found(moved, train).fractions[1].count == 0
    best = found(moved, train, shift=1)
    assert best.fractions[1].count == 20 and best.index[:, 0].tolist() == list(range(20))


def test_duplicates_are_named_and_do_not_hide_copies():
    doubled = np.concatenate([TRAIN, TRAIN[:100]])
    copies = found(SAMPLES, doubled)
    assert copies.repeats.tolist() == list(range(400, 500)) and copies.fractions[1].count == COPIES


def test_memory_is_bounded_and_progress_told():
    told = []
    found(SAMPLES, memory=2**17, report=lambda words, done, total: told.append((words, done, total)))
    assert ("comparing samples", 100, 100) in told and len(told) > 5
    assert told[-1][0] == "chance level"


REFUSED = {
    "centred": (SAMPLES - SAMPLES.mean(), "centred"),
    "another size": (SAMPLES[:, :5, :5], "one size"),
    "not finite": (np.where(SAMPLES > 0.9, np.nan, SAMPLES), "NaN or infinity in row"),
    "colour rows": (np.ones((5, 108)), "one dimension"),
    "two layouts": (np.ones((5, 3, 6, 3)), "NHWC or NCHW"),
    "four channels": (np.ones((5, 6, 6, 4)), "only grey and colour"),
    "one picture": (np.ones(36), "array\\[None\\]"),
    "text": (np.array([["a", "b"]]), "array|real numbers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_compared_is_refused(tmp_path, name):
    array, message = REFUSED[name]
    np.save(tmp_path / "s.npy", array)
    with pytest.raises(InputError, match=message):
        found(load_points(tmp_path / "s.npy"))


def test_few_training_images_need_held_out_ones():
    with pytest.raises(InputError, match="held_out"):
        found(SAMPLES, TRAIN[:50])


def test_tensors_of_a_real_file_are_read_with_types_and_strides():
    tensors = load_tensors(Path(__file__).parent / "tensors.pt")  # written by torch.save of PyTorch 2.13
    assert list(tensors) == ["samples.0", "samples.1"]
    np.testing.assert_array_equal(tensors["samples.0"], np.arange(24.0).reshape(2, 3, 2, 2))
    np.testing.assert_array_equal(tensors["samples.1"], np.arange(6.0).reshape(2, 3).T)
    assert tensors["samples.1"].dtype == np.float16


class Hostile:
    def __reduce__(self):
        return os.system, ("touch hacked",)


def archive(path, content):
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as made:
        made.writestr("x/data.pkl", content)
        made.writestr("x/byteorder", "little")
    path.write_bytes(raw.getvalue())
    return path


def test_nothing_in_a_pickle_is_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"system.*nothing of it was run"):
        load_points(archive(tmp_path / "s.pt", pickle.dumps({"samples": Hostile()})))
    assert not (tmp_path / "hacked").exists()
    with pytest.raises(InputError, match="damaged"):
        load_points(archive(tmp_path / "s.pt", b"\x80\x02garbage"))
    (tmp_path / "old.pt").write_bytes(pickle.dumps([1]))
    with pytest.raises(InputError, match=r"PyTorch 1\.6"):
        load_points(tmp_path / "old.pt")


def test_the_command_leaves_sheet_pairs_and_verdict(tmp_path, capsys):
    np.savez(tmp_path / "s.npz", samples=2 * nchw(SAMPLES) - 1, labels=np.arange(100))
    np.save(tmp_path / "t.npy", np.rint(255 * TRAIN).astype(np.uint8))
    with pytest.raises(SystemExit) as ended:
        main(
            ["memorised", str(tmp_path / "s.npz"), "--training", str(tmp_path / "t.npy"), "--out", str(tmp_path / "o")]
        )
    said = capsys.readouterr()
    assert ended.value.code in (0, None) and "copies: f_mem = 0.3 " in said.out and "NCHW" in said.err
    assert {path.name for path in (tmp_path / "o").iterdir()} >= {"memorised.json", "pairs.csv", "sheet.png"}
    lines = (tmp_path / "o" / "pairs.csv").read_text().splitlines()
    assert len(lines) == 101 and float(lines[COPIES].split(",")[-1]) < 1 / 4 < float(lines[COPIES + 1].split(",")[-1])

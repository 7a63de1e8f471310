"""Configs, data, measurement and commands of a run, good and bad."""

import dataclasses
import io
import json
import zipfile
from pathlib import Path

import jax
import numpy as np
import pytest

import rfscore as rf
from rfscore._machine import cache_folder
from rfscore.cli import main
from rfscore.networks import config as configs
from rfscore.networks import data, run
from rfscore.networks.frechet import frechet_distance
from rfscore.networks.measure import _quality, _score_distances, fixed_time_loss, measure_run
from rfscore.networks.network import new_network
from rfscore.networks.schedule import ALPHA_BAR, TIMES, index_of
from rfscore.runs.summary import RunSummary

FACES = Path(__file__).resolve().parents[3] / "shared/data/celeba30k_gray32.npz"


def test_schedule_has_the_times_of_the_paper():
    assert TIMES[[0, 40, 136, 999]] == pytest.approx([5.0e-5, 0.01022, 0.1, 5.06], rel=0.02)
    assert index_of(0.1) == 136 and np.allclose(np.exp(-2 * TIMES), ALPHA_BAR)


def test_config_survives_writing_and_reading(small, tmp_path):
    (tmp_path / "c.toml").write_text(configs.to_toml(small))
    assert configs.read(tmp_path / "c.toml") == small
    changed = configs.read(tmp_path / "c.toml", ["data.n=32", 'name="other"', "training.t=0.01"])
    assert (changed.data.n, changed.name, changed.training.t) == (32, "other", 0.01)
    assert changed.fingerprint != small.fingerprint
    measured_otherwise = configs.read(
        tmp_path / "c.toml", ["measurement.samples=7", "name=x", "training.steps=99", "training.snapshots=9"]
    )
    assert measured_otherwise.fingerprint == small.fingerprint


@pytest.mark.parametrize(("plain", "message"), [
    ({"steps": 5}, r"config key 'steps'.*remove or rename"), ({"data": {"size_": 3}}, r"config key 'data.size_'"),
    ({"data": 3}, "a table"), ({"data": {"n": 1}}, r"data.n = 1: expected a int in \[2, 1e"),
    ({"data": {"n": "many"}}, "a int"), ({"data": {"n": True}}, "a int"), ({"training": {"learning_rate": -1}}, "in"),
    ({"training": {"learning_rate": float("nan")}}, "in"), ({"training": {"optimizer": "lion"}}, "adam"),
    ({"training": {"steps": 10, "first_snapshot": 50}}, "at most 10"),
    ({"network": {"kind": "mlp"}}, "'unet' for images"),
    ({"data": {"source": "mixture"}}, "'mlp' for the mixture"), ({"measurement": {"guidance": 2.0}}, "unconditional"),
    ({"network": {"conditional": True}, "data": {"source": "faces.npz"}}, "labels"), ({"seed": -1}, "seed"),
])  # fmt: skip
def test_bad_configs_are_refused(plain, message):
    with pytest.raises(rf.InputError, match=message):
        configs.from_plain(plain)


@pytest.mark.parametrize(("text", "message"), [("a = ", "no TOML"), (None, "cannot be read"), ("[data]\nn=5", "--set")])
def test_bad_config_files_are_refused(text, message, tmp_path):
    path = tmp_path / "c.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(rf.InputError, match=message):
        configs.read(path, ["data.n"])


def plain_data(**changes):
    return configs.from_plain({"data": changes}).data


def test_digits_are_centred_and_split_without_overlap():
    found = data.load(plain_data(n=100, test=300, subset=2))
    assert found.train.shape == (100, 1, 8, 8) and found.test.shape == (300, 1, 8, 8)
    assert abs(found.train.mean()) < 1e-6 and found.train.dtype == np.float32
    rows = {row.tobytes() for row in found.train} & {row.tobytes() for row in found.test}
    assert not rows and found.eigenvalues.mean() == pytest.approx(1.0)
    other = data.load(plain_data(n=50, test=300, subset=4))  # held-out points do not depend on what is trained on
    assert np.allclose(other.images(other.test), found.images(found.test), atol=1e-6)
    assert found.images(found.test).min() >= 0


@pytest.mark.parametrize(("changes", "message"), [
    ({"n": 1500, "test": 500}, r"data.n = 1500.*1297"), ({"n": 400, "subset": 3}, "lower n, subset or test"),
    ({"size": 6}, "multiples of 4"), ({"source": "nowhere.npz"}, "cannot be read"),
])  # fmt: skip
def test_bad_data_are_refused(changes, message):
    with pytest.raises(rf.InputError, match=message):
        data.load(plain_data(**changes))


def faces(path, count=60, size=12):
    np.savez(path, images=np.random.default_rng(0).integers(0, 256, (count, size, size), dtype=np.uint8))
    return str(path)


def test_prepared_images_are_kept_with_their_checksum_and_read_again(tmp_path):
    wanted = plain_data(source=faces(tmp_path / "a.npz"), n=10, test=20, size=8)
    first = data.load(wanted)
    kept = list(cache_folder().glob("*.npz"))
    assert len(kept) == 1 and first.train.shape == (10, 1, 8, 8)
    content = kept[0].read_bytes()
    for damaged in (content[:200], content[:-400] + bytes(400)):  # a damaged copy is not used
        kept[0].write_bytes(damaged)
        assert data.load(wanted).sha256 == first.sha256
    assert np.array_equal(data.load(wanted).train, first.train)


def test_a_truncated_zip_is_an_error_before_anything_is_trained(tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    with zipfile.ZipFile(tmp_path / "img_align_celeba.zip", "w") as archive:
        for i in range(40):
            picture = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (10, 10), dtype=np.uint8)).save(picture, format="png")
            archive.writestr(f"img_align_celeba/{i:06d}.png", picture.getvalue())
    content = (tmp_path / "img_align_celeba.zip").read_bytes()
    wanted = plain_data(source=str(tmp_path / "img_align_celeba.zip"), n=10, test=20, size=8)
    assert data.load(wanted).train.shape == (10, 1, 8, 8)
    (tmp_path / "img_align_celeba.zip").write_bytes(content[: len(content) // 2])
    with pytest.raises(rf.InputError, match="cut short"):
        data.load(wanted)


@pytest.mark.skipif(not FACES.exists(), reason="the face images are not here")
def test_real_faces_are_loaded_as_in_the_paper():
    found = data.load(plain_data(source=str(FACES), n=1024, test=2048))
    assert found.train.shape == (1024, 1, 32, 32) and abs(found.train.mean()) < 1e-5
    assert found.mean == pytest.approx(0.44, abs=0.02) and found.train.std() == pytest.approx(0.27, abs=0.01)


def test_loss_at_fixed_time_of_a_network_that_answers_zero_is_one():
    points = np.zeros((500, 8), dtype=np.float32)
    value, error = fixed_time_loss(lambda x, index, label, key: 0.0 * x, points, 0.01, 6, jax.random.key(0))
    assert abs(value - 1.0) < 5 * np.sqrt(2 / (points.size * 6)) and 0 < error < 0.05


def test_a_run_is_measured_once_and_summarised(small, tmp_path):
    run.train(small, tmp_path / "run", lambda *_: None)
    config, points, folder = run.opened(tmp_path / "run")
    seen = []
    summary = measure_run(config, points, folder, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (5, 5) and summary.tau.tolist() == [0, 5, 11, 26, 60]
    assert {"train_loss", "test_loss", "f_mem", "kl", "score_population", "score_empirical"} <= set(summary.columns)
    assert all(np.all(np.isfinite(values)) for values in summary.columns.values())
    kept = (folder / "measurements/step-000000011.json").read_bytes()
    (folder / "measurements/step-000000026.json").write_text("{")  # damaged: measured again, to the same numbers
    again = measure_run(config, points, folder, lambda *_: None)
    assert (folder / "measurements/step-000000011.json").read_bytes() == kept
    assert all(np.array_equal(again.columns[k], v) for k, v in summary.columns.items())
    assert RunSummary.load(folder / "summary.json").facts["parameters"] == 16 * 29 + 8 + 6 * 256


def test_samples_start_where_they_are_wanted_and_count_at_three_thresholds(small, tmp_path):
    wanted = dataclasses.replace(small.measurement, sample_from=11, t_later=0.1)
    small = dataclasses.replace(small, measurement=wanted)
    run.train(small, tmp_path / "run", lambda *_: None)
    found = measure_run(*run.opened(tmp_path / "run"), lambda *_: None)
    columns = found.columns
    assert np.isnan(columns["f_mem"]).tolist() == [True, True, False, False, False]
    assert np.all(columns["f_mem_quarter"][2:] <= columns["f_mem"][2:])
    assert np.all(columns["f_mem"][2:] <= columns["f_mem_half"][2:])
    assert found.facts["chance_level_quarter"] <= found.facts["chance_level"] <= found.facts["chance_level_half"]
    assert np.all(columns["test_loss_later"] != columns["test_loss"])
    assert np.all(columns["kl_low"][2:] < columns["kl"][2:])


def test_distances_are_means_over_disjoint_test_sets():
    rng = np.random.default_rng(0)
    made, sets = rng.normal(size=(60, 4)), [rng.normal(size=(50, 4)) + shift for shift in (0.0, 0.5, 1.0)]
    found, each = _quality(made, sets), [frechet_distance(made, x) for x in sets]
    assert found["frechet"] == pytest.approx(np.mean(each))
    assert found["frechet_high"] - found["frechet"] == pytest.approx(2 * np.std(each, ddof=1))
    assert "frechet_low" not in _quality(made, sets[:1])


def test_exact_population_score_has_distance_zero_to_itself_and_not_to_the_empirical_one(small):
    points, t = data.load(small.data), float(TIMES[40])

    def network(x, index, label, key):
        shrink = np.exp(-t)
        return -np.sqrt(-np.expm1(-2 * t)) * (shrink * jax.numpy.tanh(shrink * x.sum()) - x)

    found = _score_distances(network, points, 0.01, jax.random.key(0))
    assert found["score_population"] < 1e-9 and found["score_empirical"] > 1.0


def command(*words):
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    return end.value.code


def test_commands_train_measure_sample_and_compare(small, tmp_path, capsys):
    (tmp_path / "c.toml").write_text(configs.to_toml(small))
    for n in (64, 128):
        out = tmp_path / f"n{n}"
        assert (
            command(
                "networks", "train", tmp_path / "c.toml", "--out", out, "--set", f"data.n={n}", "--set", f"name=n{n}"
            )
            == 0
        )
        assert command("networks", "measure", out) == 0
    assert command("networks", "sample", tmp_path / "n64", "--count", 5, "--step", 11, "--out", tmp_path / "x.npy") == 0
    assert np.load(tmp_path / "x.npy").shape == (5, 8)
    assert (
        command("runs", "compare", tmp_path / "n64", tmp_path / "n128", "--no-theory", "--out", tmp_path / "both") == 0
    )
    assert json.loads((tmp_path / "both/comparison.json").read_text())["runs"]
    capsys.readouterr()
    assert command("networks", "train", tmp_path / "c.toml", "--out", tmp_path / "n64") == 2
    assert "--resume" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "message"), [
    (("networks", "measure", "nowhere"), "train a run first"), (("networks", "sample", "nowhere"), "train a run first"),
    (("networks", "train", "no.toml", "--out", "x"), "cannot be read"), (("runs", "compare", "nowhere"), "nowhere"),
    (("networks", "train", "no.toml"), "--out"),
])  # fmt: skip
def test_wrong_commands_are_one_line_and_exit_code_two(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command(*words) == 2
    err = capsys.readouterr().err
    assert message in err and len(err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_data_other_than_those_trained_on_are_refused(small, tmp_path):
    run.train(small, tmp_path / "run", lambda *_: None)
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    manifest["data"]["sha256"] = "0" * 64
    (tmp_path / "run/manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(rf.InputError, match="checksum differs"):
        run.opened(tmp_path / "run")


def test_untrained_networks_of_one_seed_are_equal_and_of_two_are_not(small):
    points = data.load(small.data)
    weights = [np.asarray(new_network(c, points).enter.weight) for c in (small, small, configs.from_plain({
        "seed": 1, "data": {"source": "mixture"}, "network": {"kind": "mlp", "width": 16}}))]  # fmt: skip
    assert np.array_equal(weights[0], weights[1]) and not np.array_equal(weights[0], weights[2])


def test_a_bad_snapshot_is_left_out_and_named_and_the_good_ones_are_kept(small, tmp_path, capsys):
    run.train(small, tmp_path / "run", lambda *_: None)
    last = tmp_path / "run/snapshots/step-000000060.safetensors"
    last.write_bytes(last.read_bytes()[:300])
    assert command("networks", "measure", tmp_path / "run") == 1
    said = capsys.readouterr()
    assert "measured:" in said.out and "step 60 is left out: checkpoint 'step-000000060.safetensors'" in said.err
    summary = RunSummary.load(tmp_path / "run/summary.json")
    assert summary.tau.tolist() == [0, 5, 11, 26] and np.all(np.isfinite(summary.columns["f_mem"]))
    assert any("step 60" in note for note in summary.facts["notes"])
    for path in (tmp_path / "run/snapshots").iterdir():
        path.write_bytes(b"")
    for path in (tmp_path / "run/measurements").iterdir():
        path.unlink()
    assert command("networks", "measure", tmp_path / "run") == 2
    assert "no snapshot" in capsys.readouterr().err


def test_networks_without_finite_numbers_are_left_out_whatever_is_measured(small, tmp_path, monkeypatch):
    from rfscore.networks import measure

    run.train(small, tmp_path / "run", lambda *_: None)
    honest = measure.fixed_time_loss

    def loss(network, points, t, noises, key):
        value, error = honest(network, points, t, noises, key)
        return (float("nan"), error) if calls.append(0) or len(calls) == 3 else (value, error)

    calls: list[int] = []
    monkeypatch.setattr(measure, "fixed_time_loss", loss)
    summary = measure_run(*run.opened(tmp_path / "run"), lambda *_: None)
    assert len(summary.tau) == 4 and "train_loss is nan" in summary.facts["notes"][0]


def test_doubles_in_the_training_set_are_in_the_notes(small, tmp_path):
    run.train(small, tmp_path / "run", lambda *_: None)
    config, points, folder = run.opened(tmp_path / "run")
    points.train[3] = points.train[2]
    with pytest.warns(UserWarning, match="equal to an earlier one"):
        summary = measure_run(config, points, folder, lambda *_: None)
    assert summary.facts["notes"] == ["1 training points are equal to another; each counts once in f_mem"]

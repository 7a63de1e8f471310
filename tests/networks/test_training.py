"""Training: exact to the bit across interruptions, snapshots where they belong, clear errors."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import equinox as eqx
import jax
import numpy as np
import pytest

import rfscore as rf
from rfscore.networks import checkpoint, data, run, train
from rfscore.networks import config as configs
from rfscore.networks.network import new_network


def quiet(*_):
    pass


def content(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("**/*.safetensors"))}


def test_snapshots_are_log_spaced_and_include_first_and_last_step(small):
    assert train.snapshot_steps(small).tolist() == [0, 5, 11, 26, 60]


def test_loss_falls_and_snapshots_are_where_they_belong(small, tmp_path):
    losses = []
    run.train(small, tmp_path / "run", lambda step, steps, loss, pace: losses.append(loss))
    names = [path.stem for path in sorted((tmp_path / "run/snapshots").iterdir())]
    assert names == [f"step-{k:09d}" for k in (0, 5, 11, 26, 60)]
    assert losses[-1] < losses[0]


def test_a_run_cut_at_any_step_and_resumed_ends_in_the_same_bits(small, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run.train(small, whole, quiet)
    points = data.load(small.data)
    cut.mkdir()
    for stop in (3, 26, 41):  # a new process each time, as far as the trainer can tell
        trainer = train.Trainer(small, points, cut)
        trainer.advance(stop)
        if stop == 26:
            trainer.snapshot()
        trainer.save()
    (cut / "config.toml").write_text(configs.to_toml(small))
    run.train(small, cut, quiet, resume=True)
    first, second = content(whole), content(cut)
    assert first["state.safetensors"] == second["state.safetensors"]
    last = "step-000000060.safetensors"
    assert first[last] == second[last] and first["step-000000026.safetensors"] == second["step-000000026.safetensors"]


def test_a_run_stopped_at_a_step_has_its_state_there_and_goes_on_in_the_same_bits(small, tmp_path):
    run.train(small, tmp_path / "whole", quiet)
    run.train(small, tmp_path / "run", quiet, until=17)  # between two snapshots
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    assert (manifest["step"], manifest["status"]) == (17, "stopped")
    assert [path.stem for path in sorted((tmp_path / "run/snapshots").iterdir())][-1] == "step-000000011"
    run.train(small, tmp_path / "run", quiet, resume=True)
    assert content(tmp_path / "run") == content(tmp_path / "whole")


KILLED = """
import sys
from rfscore.networks import config, run
run.train(config.read(sys.argv[1]), sys.argv[2], lambda *_: print("step", flush=True), resume=len(sys.argv) > 3)
"""


@pytest.mark.slow
def test_kill_minus_nine_at_random_moments_changes_nothing(small, tmp_path):
    """Killed eight times, also while checkpoints are written (one every snapshot), then resumed to the end."""
    plain = {"training": {"batch": 16, "steps": 4000, "snapshots": 200, "first_snapshot": 5}}
    text = configs.to_toml(small).split("[training]")[0] + "[training]\n"
    text += "\n".join(f"{k} = {v}" for k, v in plain["training"].items())
    path = tmp_path / "config.toml"
    path.write_text(text)
    command = [sys.executable, "-c", KILLED, str(path)]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    rng, kills = np.random.default_rng(0), 0
    for _ in range(8):
        resume = ["resume"] if (tmp_path / "cut/config.toml").exists() else []
        child = subprocess.Popen([*command, str(tmp_path / "cut"), *resume], stdout=subprocess.PIPE)
        child.stdout.readline()
        time.sleep(rng.uniform(0.0, 0.3))
        if child.poll() is None:
            os.kill(child.pid, signal.SIGKILL)
            kills += 1
        child.wait()
        child.stdout.close()
    subprocess.run([*command, str(tmp_path / "cut"), "resume"], check=True, capture_output=True)
    assert kills >= 3
    assert content(tmp_path / "whole") == content(tmp_path / "cut")


def test_every_epoch_takes_every_point_once():
    rows = [train._batch_rows(jax.random.key(0), jax.numpy.asarray(k), 64, 16) for k in range(8)]
    for epoch in (rows[:4], rows[4:]):
        assert sorted(np.concatenate(epoch).tolist()) == list(range(64))
    assert not np.array_equal(rows[0], rows[4])


def test_sgd_with_momentum_is_the_heavy_ball(small):
    """v <- m v + g, theta <- theta - lr v, as in PyTorch."""
    plain = configs.from_plain({"training": {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.95}})
    optimiser = train._optimiser(plain)
    theta = velocity = 0.0
    state, value = optimiser.init(0.0), 0.0
    for gradient in (1.0, -0.5, 2.0):
        velocity = 0.95 * velocity + gradient
        theta -= 0.1 * velocity
        update, state = optimiser.update(gradient, state)
        value += float(update)
    assert value == pytest.approx(theta, rel=1e-6)


@pytest.mark.parametrize(("t", "least", "most"), [(0.01, 40.0, 40.1), (0.0, 500.0, 650.0)])
def test_fixed_time_training_sees_one_index_and_free_training_all(t, least, most):
    def network(x, index, label, key):
        return jax.numpy.full(x.shape, index, dtype=float)

    x, label = jax.numpy.zeros((2000, 2)), jax.numpy.full(2000, -1)
    loss = train.denoising_loss(network, x, label, jax.random.key(0), t, "float32")
    assert least < float(loss) ** 0.5 < most  # the root mean square of the indices, 577 if uniform in 0 ... 999


def test_bfloat16_changes_the_arithmetic_but_not_the_weights(small, tmp_path):
    changed = configs.from_plain({
        "data": {"source": "mixture", "n": 64, "test": 64}, "network": {"kind": "mlp", "width": 16},
        "training": {"batch": 16, "steps": 5, "first_snapshot": 5, "snapshots": 2, "precision": "bfloat16"},
    })  # fmt: skip
    trainer = train.Trainer(changed, data.load(changed.data), tmp_path)
    trainer.advance(5)
    assert {leaf.dtype for leaf in jax.tree.leaves(eqx.filter(trainer.state.network, eqx.is_array))} == {
        np.dtype("float32")
    }


TWO = """
import jax, numpy as np, sys
from pathlib import Path
from rfscore.networks import config, data, train
assert jax.device_count() == 2
c = config.read(sys.argv[1])
t = train.Trainer(c, data.load(c.data), Path(sys.argv[2]))
loss = t.advance(20)
print(repr(loss), len(t.state.network.enter.weight.sharding.device_set))
"""


def test_two_devices_share_the_batch_and_agree_with_one(small, tmp_path):
    (tmp_path / "config.toml").write_text(configs.to_toml(small))
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", TWO, str(tmp_path / "config.toml"), str(tmp_path)], env=environment,
                          capture_output=True, text=True, check=True)  # fmt: skip
    loss, devices = done.stdout.split()
    (tmp_path / "one").mkdir()
    alone = train.Trainer(small, data.load(small.data), tmp_path / "one").advance(20)
    assert int(devices) == 2 and float(loss) == pytest.approx(alone, rel=1e-4)


def test_a_folder_in_use_is_refused(small, tmp_path):
    run.train(small, tmp_path / "run", quiet)
    with pytest.raises(rf.InputError, match="--resume"):
        run.train(small, tmp_path / "run", quiet)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/notes.txt").write_text("mine")
    with pytest.raises(rf.InputError, match="new or empty"):
        run.train(small, tmp_path / "other", quiet)
    with run._locked(tmp_path / "run"), pytest.raises(rf.InputError, match="another process"):
        run.train(small, tmp_path / "run", quiet, resume=True)


def test_a_start_that_fails_leaves_the_folder_usable(small, tmp_path, monkeypatch):
    bad = configs.from_plain({"data": {"source": "nowhere.npz"}})
    with pytest.raises(rf.InputError, match="cannot be read"):
        run.train(bad, tmp_path / "run", quiet)
    assert not (tmp_path / "run").exists()
    with monkeypatch.context() as patch:
        patch.setattr(train, "free_memory", lambda: 1.0)
        with pytest.raises(rf.InputError, match="GiB are free"):
            run.train(small, tmp_path / "run", quiet)
    run.train(small, tmp_path / "run", quiet)


def test_resume_with_another_config_is_refused(small, tmp_path):
    run.train(small, tmp_path / "run", quiet)
    other = configs.from_plain({"data": {"source": "mixture"}, "network": {"kind": "mlp"}})
    with pytest.raises(rf.InputError, match=r"only training\.steps"):
        run.train(other, tmp_path / "run", quiet, resume=True)


def test_a_prolonged_run_ends_in_the_bits_of_one_that_was_meant_to_be_that_long(small, tmp_path):
    long = dataclasses.replace(small, training=dataclasses.replace(small.training, steps=90, snapshots=6))
    run.train(long, tmp_path / "long", quiet)
    run.train(small, tmp_path / "short", quiet)
    run.train(long, tmp_path / "short", quiet, resume=True)
    whole, prolonged = content(tmp_path / "long"), content(tmp_path / "short")
    assert whole["state.safetensors"] == prolonged["state.safetensors"]
    assert {"step-000000060.safetensors", "step-000000090.safetensors"} <= set(prolonged)
    with pytest.raises(rf.InputError, match="at least the 90 steps already trained"):
        run.train(small, tmp_path / "short", quiet, resume=True)


def damage(content, how):
    return {"cut": content[: len(content) // 2], "flipped": content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
            "empty": b"", "foreign": b"\x80\x04K\x01."}[how]  # fmt: skip


@pytest.mark.parametrize("how", ["cut", "flipped", "empty", "foreign"])
def test_a_damaged_checkpoint_is_named(small, tmp_path, how):
    network = new_network(small, data.load(small.data))
    path = checkpoint.save(tmp_path / "w.safetensors", network, step=7, fingerprint="a")
    assert checkpoint.load(path, network, fingerprint="a")[1] == 7
    path.write_bytes(damage(path.read_bytes(), how))
    with pytest.raises(rf.InputError, match=r"w\.safetensors.*damaged"):
        checkpoint.load(path, network, fingerprint="a")


def test_a_checkpoint_of_another_run_or_network_is_refused(small, tmp_path):
    points = data.load(small.data)
    network = new_network(small, points)
    path = checkpoint.save(tmp_path / "w.safetensors", network, step=7, fingerprint="a")
    with pytest.raises(rf.InputError, match="another config"):
        checkpoint.load(path, network, fingerprint="b")
    wider = configs.from_plain({"data": {"source": "mixture"}, "network": {"kind": "mlp", "width": 32}})
    with pytest.raises(rf.InputError, match="other arrays"):
        checkpoint.load(path, new_network(wider, points), fingerprint="a")


def test_a_step_too_large_for_the_memory_is_refused_before_it_is_run(small, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "free_memory", lambda: 1.0)
    with pytest.raises(rf.InputError, match="GiB are free: lower training"):
        train.Trainer(small, data.load(small.data), tmp_path)


def test_divergence_is_an_error(tmp_path):
    wild = configs.from_plain({
        "data": {"source": "mixture", "n": 64, "test": 64}, "network": {"kind": "mlp", "width": 16},
        "training": {"optimizer": "sgd", "learning_rate": 1000.0, "batch": 16, "steps": 500, "first_snapshot": 500},
    })  # fmt: skip
    with pytest.raises(rf.SolveError, match=r"lower training\.learning_rate"):
        run.train(wild, tmp_path / "run", quiet)


WILD = {
    "data": {"source": "mixture", "n": 64, "test": 64}, "network": {"kind": "mlp", "width": 32},
    "training": {"optimizer": "sgd", "learning_rate": 3.0, "batch": 16, "steps": 400, "first_snapshot": 1,
                 "snapshots": 30},
    "measurement": {"samples": 32, "sampler_steps": 5, "noises": 2},
}  # fmt: skip


def test_weights_that_are_not_finite_never_replace_good_ones(small, tmp_path):
    wild, points = configs.from_plain(WILD), data.load(configs.from_plain(WILD).data)
    trainer = train.Trainer(wild, points, tmp_path)
    trainer.save()
    good = content(tmp_path)
    trainer._dynamic = jax.tree.map(lambda x: x * np.nan if x.dtype.kind == "f" else x + 5, trainer._dynamic)
    for write in (trainer.save, trainer.snapshot):
        with pytest.raises(rf.SolveError, match=r"step 5 are not finite: training diverged; lower"):
            write()
    assert content(tmp_path) == good
    assert train.Trainer(wild, points, tmp_path).step == 0


def test_a_diverged_run_keeps_what_was_good_and_says_so(tmp_path):
    wild = configs.from_plain(WILD)
    for resume in (False, True):
        with pytest.raises(rf.SolveError, match=r"lower training\.learning_rate"):
            run.train(wild, tmp_path / "run", quiet, resume=resume)
    assert '"diverged"' in (tmp_path / "run/manifest.json").read_text()
    config, points, folder = run.opened(tmp_path / "run")
    kept = sorted((folder / "snapshots").iterdir())
    assert kept
    for path in kept:
        checkpoint.load(path, new_network(config, points), fingerprint=config.fingerprint)


def test_a_checkpoint_with_nan_from_elsewhere_is_named(small, tmp_path, monkeypatch):
    network = new_network(small, data.load(small.data))
    broken = jax.tree.map(lambda x: x * np.nan if eqx.is_inexact_array(x) else x, network)
    monkeypatch.setattr(checkpoint, "_finite", lambda arrays: True)
    path = checkpoint.save(tmp_path / "w.safetensors", broken, step=7, fingerprint="a")
    monkeypatch.undo()
    with pytest.raises(rf.InputError, match=r"w\.safetensors.*had diverged"):
        checkpoint.load(path, network, fingerprint="a")


@pytest.mark.parametrize("manifest", ["", "[]", "{", "null"])
def test_a_damaged_manifest_does_not_stop_a_resume(small, tmp_path, manifest):
    run.train(small, tmp_path / "run", quiet)
    (tmp_path / "run/manifest.json").write_text(manifest)
    with pytest.raises(rf.InputError, match="--resume"):
        run.opened(tmp_path / "run")
    run.train(small, tmp_path / "run", quiet, resume=True)
    assert run.opened(tmp_path / "run")[0] == small

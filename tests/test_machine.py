"""Memory, cores, caches and locks where the machine is no local Linux with a home: imitated, each gives an answer."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import types
from pathlib import Path

import jax
import pytest

from rfscore import _machine
from rfscore.networks import run
from rfscore.sweeps.store import Store

GIB = 2**30


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """An imitated /proc and /sys/fs/cgroup: files by their path."""
    monkeypatch.setattr(_machine, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(_machine, "_CGROUPS", tmp_path / "cgroup")

    def write(**files: str) -> None:
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


def meminfo(available: float) -> str:
    return f"MemTotal: {20 * GIB // 1024} kB\nMemFree: {GIB // 1024} kB\nMemAvailable: {int(available) // 1024} kB\n"


def test_memory_that_holds_copies_of_files_counts_as_free(machine):
    machine(proc__meminfo=meminfo(18 * GIB))
    assert _machine.free_memory() == 18 * GIB


def test_a_container_of_version_2_limits_the_memory_at_any_level(machine):
    machine(
        proc__meminfo=meminfo(18 * GIB), proc__self__cgroup="0::/slurm/job\n",
        cgroup__slurm__memory_dot_max=f"{4 * GIB}\n", cgroup__slurm__memory_dot_current=f"{3 * GIB}\n",
        cgroup__slurm__memory_dot_stat=f"anon 5\ninactive_file {GIB}\n",
        cgroup__slurm__job__memory_dot_max="max\n", cgroup__slurm__job__memory_dot_current="7\n",
    )  # fmt: skip
    assert _machine.free_memory() == 2 * GIB


@pytest.mark.parametrize("place", ["cgroup__memory", "cgroup__memory__docker__abc"])
def test_a_container_of_version_1_limits_the_memory_also_where_it_sees_itself_as_the_root(machine, place):
    machine(
        proc__meminfo=meminfo(18 * GIB), proc__self__cgroup="3:cpu,cpuacct:/x\n2:memory:/docker/abc\n",
        **{f"{place}__memory_dot_limit_in_bytes": f"{2 * GIB}\n", f"{place}__memory_dot_usage_in_bytes": f"{GIB}\n"},
    )  # fmt: skip
    assert _machine.free_memory() == GIB


def test_an_unlimited_container_changes_nothing(machine):
    machine(
        proc__meminfo=meminfo(18 * GIB), proc__self__cgroup="0::/\n", cgroup__memory_dot_max="max\n",
        cgroup__memory_dot_current="5\n",
    )  # fmt: skip
    assert _machine.free_memory() == 18 * GIB


@pytest.mark.parametrize("how", ["no such name", "no function"])
def test_a_system_that_does_not_say_has_all_the_memory(machine, monkeypatch, how):
    def sysconf(name):
        raise ValueError("unrecognized configuration name")

    if how == "no function":
        monkeypatch.delattr(os, "sysconf")
    else:
        monkeypatch.setattr(os, "sysconf", sysconf)
    assert _machine.free_memory() == float("inf")


def test_cores_without_an_affinity_and_in_a_container(machine, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert _machine.core_count() == 64
    machine(proc__self__cgroup="0::/\n", cgroup__cpu_dot_max="250000 100000\n")
    assert _machine.core_count() == 3
    machine(cgroup__cpu_dot_max="max 100000\n")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert _machine.core_count() == 1


def test_there_is_no_cache_without_a_home_or_where_it_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert _machine.cache_folder() == tmp_path / "x" / "rfscore"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # the standard says: ignored
    monkeypatch.setenv("HOME", str(tmp_path))
    assert _machine.cache_folder() == tmp_path / ".cache" / "rfscore"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert _machine.cache_folder() is None

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert _machine.cache_folder() is None
    before = jax.config.jax_compilation_cache_dir
    _machine.keep_compiled()
    assert jax.config.jax_compilation_cache_dir == before


def refusing(number):
    def flock(file, how):
        raise OSError(number, os.strerror(number))

    return types.SimpleNamespace(LOCK_SH=1, LOCK_EX=2, LOCK_NB=4, flock=flock)


@pytest.mark.parametrize("locks", [None, *map(refusing, (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF))])
def test_without_locks_training_goes_on_and_says_so(tmp_path, monkeypatch, locks):
    monkeypatch.setattr(_machine, "fcntl", locks)
    with pytest.warns(UserWarning, match=r"not locked.*only one process"), run._locked(tmp_path / "run"):
        pass
    (tmp_path / "store/records").mkdir(parents=True)
    with pytest.warns(UserWarning, match="not locked"), Store(tmp_path / "store").journal():
        assert Store(tmp_path / "store").others_at_work() == 0


def test_only_would_block_means_held(tmp_path, monkeypatch):
    with run._locked(tmp_path / "run"), pytest.raises(ValueError, match="another process does"):
        run._locked(tmp_path / "run").__enter__()
    monkeypatch.setattr(_machine, "fcntl", refusing(errno.EAGAIN))
    with pytest.raises(ValueError, match="another process does"):
        run._locked(tmp_path / "run").__enter__()


ELSEWHERE = """
import os, sys
from pathlib import Path
import distributed, jax, zarr  # what they need of the system is their own affair
sys.modules["fcntl"] = None
del os.sysconf, os.sched_getaffinity, os.environ["XDG_CACHE_HOME"]

def homeless():
    raise RuntimeError("Could not determine home directory.")

Path.home = homeless
from rfscore.networks import config, run
from rfscore.networks.measure import measure_run
from rfscore.sweeps import Sweep, run as sweep
out = Path(sys.argv[1])
small = config.from_plain({
    "data": {"source": "mixture", "n": 64, "test": 64}, "network": {"kind": "mlp", "width": 16},
    "training": {"batch": 16, "steps": 5, "first_snapshot": 5, "snapshots": 2},
    "measurement": {"samples": 32, "sampler_steps": 5, "noises": 2}})
run.train(small, out / "run", lambda *_: None)
measure_run(*run.opened(out / "run"), lambda *_: None)
wanted = Sweep({"psi_n": [2, 4]}, fixed={"psi_p": 4, "t": 0.1, "d": 8}, model="finite", tau=[10.0])
print(sweep(wanted, out / "store", workers=0).status.values.tolist())
"""


def test_training_measuring_and_sweeps_work_without_locks_affinity_memory_and_home(tmp_path):
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", ELSEWHERE, str(tmp_path)], capture_output=True, text=True, check=False,
                          env=environment)  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, "[1, 1]"), done.stderr
    assert done.stderr.count("is not locked (this system has no file locks)") == 2

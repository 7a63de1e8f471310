"""Small sweeps, and a driver process that tests can kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from rfscore.sweeps import Sweep
from rfscore.sweeps.store import Store

#: Runs a sweep in a process of its own: `python -c DRIVER STORE SWEEP WORKERS`, resuming what is there.
DRIVER = """
import json, sys
from rfscore.sweeps import run
from rfscore.sweeps.spec import from_plain
if __name__ == "__main__":
    run(from_plain(json.loads(sys.argv[2])), sys.argv[1], resume=True, workers=int(sys.argv[3]))
"""


def finite(count: int = 6, d: int = 12, **fixed) -> Sweep:
    """Drawn networks of a few milliseconds each, one a seed."""
    return Sweep({"psi_n": [1.0, 2.0, 4.0], "seed": list(range(count))},
                 {"psi_p": 6.0, "t": 0.1, "d": d, **fixed}, "finite", [10.0, 1e3])  # fmt: skip


def start(sweep: Sweep, store: Path, workers: int = 0, code: str = DRIVER) -> subprocess.Popen:
    """A driver in a session of its own, so that it can be killed with all its workers."""
    command = [sys.executable, "-c", code, str(store), json.dumps(sweep.plain()), str(workers)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(command, start_new_session=True, env=environment, stderr=subprocess.PIPE)


def filed(store: Path) -> int:
    """Whole records in a store."""
    return len(Store(store).index().outcomes)


def wait_for(store: Path, count: int, driver: subprocess.Popen, seconds: float = 120.0) -> None:
    """Until at least `count` records are filed, or the driver has ended."""
    end = time.monotonic() + seconds
    while filed(store) < count and driver.poll() is None:
        assert time.monotonic() < end, "the driver files nothing"
        time.sleep(0.01)


def kill_all(driver: subprocess.Popen) -> None:
    """kill -9 of the driver and of every process it started."""
    try:
        os.killpg(driver.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    driver.wait()
    if driver.stderr is not None:
        driver.stderr.close()

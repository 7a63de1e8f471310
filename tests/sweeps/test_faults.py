"""Killed drivers, killed workers, killed all, two drivers: nothing filed is lost, and the end has the same bits."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from rfscore.sweeps import run
from rfscore.sweeps.store import Store
from tests.sweeps.helpers import filed, finite, kill_all, start, wait_for


@pytest.fixture(scope="module")
def sweep():
    return finite(8, d=16)


@pytest.fixture(scope="module")
def expected(sweep, tmp_path_factory):
    """The same sweep, never interrupted."""
    return run(sweep, tmp_path_factory.mktemp("whole") / "store", workers=0)


def test_a_killed_driver_loses_only_the_task_in_flight(tmp_path, sweep, expected):
    store = tmp_path / "store"
    for count in (4, 9):
        driver = start(sweep, store)
        wait_for(store, count, driver)
        kill_all(driver)
        assert count <= filed(store) < sweep.size
    before = filed(store)
    data = run(sweep, store, resume=True, workers=0)
    assert data.equals(expected)
    files = sorted((store / "records").glob("*.jsonl"))
    assert len(files[-1].read_bytes().splitlines()) == sweep.size - before  # no filed point was evaluated again


def test_killing_driver_and_workers_together_loses_only_tasks_in_flight(tmp_path, sweep, expected):
    store = tmp_path / "store"
    driver = start(sweep, store, workers=2)
    wait_for(store, 5, driver)
    children = psutil.Process(driver.pid).children(recursive=True)
    assert len(children) >= 2
    kill_all(driver)
    for child in children:
        if child.is_running():
            child.kill()
    assert 5 <= filed(store) < sweep.size
    assert run(sweep, store, resume=True, workers=0).equals(expected)


def test_a_killed_worker_is_replaced_and_its_task_repeated(tmp_path, expected):
    sweep, store = finite(8, d=16), tmp_path / "store"
    killed = []

    def kill_one():
        while filed(store) < 2:
            time.sleep(0.01)
        workers = [child for child in psutil.Process(os.getpid()).children(recursive=True)
                   if "multiprocessing" in " ".join(child.cmdline())]  # fmt: skip
        killed.append(workers[-1].pid)
        os.kill(workers[-1].pid, signal.SIGKILL)

    thread = threading.Thread(target=kill_one)
    thread.start()
    data = run(sweep, store, workers=2)
    thread.join()
    assert killed and data.equals(expected)


def test_a_point_that_kills_its_workers_fails_and_the_others_do_not(tmp_path):
    """A point whose worker dies every time: as one that needs more memory than there is."""
    from rfscore.errors import RfscoreError
    from rfscore.sweeps.engine import _Driver
    from rfscore.sweeps.work import tasks

    sweep, store = finite(2), Store(tmp_path / "store")
    store.claim(sweep, resume=False)

    class Dead:
        status = "error"

        def exception(self):
            return type("KilledWorker", (Exception,), {})("work")

    with store.journal() as journal:
        driver = _Driver(sweep, store, journal, False, lambda progress: None)
        (task, *_) = tasks(sweep, driver.keys, set(driver.keys), store.path)
        results, again = driver._collect(Dead(), task)
    assert again == [] and results[0][1].status == "failed" and "lack of memory" in results[0][1].message
    assert issubclass(RfscoreError, Exception) and results[0][0] == driver.keys[0]


def test_two_drivers_share_one_store(tmp_path, sweep, expected):
    store = tmp_path / "store"
    drivers = [start(sweep, store), start(sweep, store)]
    assert [driver.wait() for driver in drivers] == [0, 0]
    for driver in drivers:
        driver.stderr.close()
    assert Store(store).dataset().equals(expected) and Store(store).damages() == []
    assert Store(store).others_at_work() == 0


def test_a_driver_killed_while_another_works_disturbs_it_not(tmp_path, sweep, expected):
    store = tmp_path / "store"
    first, second = start(sweep, store), start(sweep, store)
    wait_for(store, 2, first)
    kill_all(first)
    assert second.wait() == 0
    second.stderr.close()
    assert Store(store).dataset().equals(expected)


def test_workers_with_other_code_are_refused(tmp_path, monkeypatch):
    from rfscore.errors import SolveError
    from rfscore.sweeps import work

    tasks = work.tasks(finite(), keys := Store(Path()).keys(finite()), set(keys), Path())
    monkeypatch.setattr("rfscore.sweeps.keys.code_version", lambda model: "older")
    with pytest.raises(SolveError, match="other versions"):
        work.work(tasks[0])

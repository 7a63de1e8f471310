"""Run a sweep: tasks go to Dask workers, their results come back and are filed one by one, until none is left."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
import types
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

from rfscore.errors import InputError, RfscoreError, bad
from rfscore.sweeps import cost
from rfscore.sweeps.outcome import failed
from rfscore.sweeps.records import Journal
from rfscore.sweeps.spec import Sweep
from rfscore.sweeps.store import RUNS, Store
from rfscore.sweeps.work import Results, Task, one_thread, tasks, work

if TYPE_CHECKING:
    import xarray

#: Tasks given out per worker thread at a time: one in work, one waiting.
_AHEAD = 2
#: Deaths of its worker after which a task is given up: the task itself is to blame, by its memory for example.
_DEATHS = 3


@dataclass(frozen=True)
class Progress:
    """How far a sweep is: points in all, done (failed ones included), failed, and per second in this run."""

    total: int
    done: int
    failed: int
    pace: float


Report = Callable[[Progress], None]


def run(
    sweep: Sweep, path: str | PathLike[str], *, resume: bool = False, retry_failed: bool = False,
    workers: int | None = None, scheduler: str | None = None, report: Report = lambda progress: None,
) -> xarray.Dataset:  # fmt: skip
    """Evaluate every point of a sweep that the store does not hold, and assemble the Dataset.

    Kill it at any moment: what was filed stays, and `resume` goes on with the rest; the result has the same bits.

    Args:
        sweep: what to evaluate.
        path: folder of the store; new or empty, or that of a sweep when `resume` is set. Axes may change: points that
            are there already serve again.
        resume: go on in a folder that holds a sweep.
        retry_failed: evaluate failed points once more.
        workers: processes of one thread each on this machine, all cores by default; 0 computes in this process.
        scheduler: address of a Dask scheduler to use instead.
        report: called after every task.

    Returns:
        The Dataset; it is also in `results.zarr` of the folder.

    Raises:
        InputError: a bad point, a folder that cannot be used, no memory for a point, Dask missing.
        RfscoreError: the disk is full, the scheduler was lost, or workers run other code.

    Example:
        >>> import tempfile
        >>> from rfscore.sweeps import Sweep, run
        >>> sweep = Sweep({"seed": [0, 1]}, {"psi_n": 2, "psi_p": 4, "t": 0.1, "d": 8}, model="finite", tau=[1e3])
        >>> with tempfile.TemporaryDirectory() as store:
        ...     data = run(sweep, store, workers=0)
        >>> dict(data.gap.sizes), data.status.values.tolist()
        ({'seed': 2, 'tau': 1}, [1, 1])
    """
    sweep.check()
    count = cost.workers_that_fit(sweep, workers)
    store = Store(path)
    store.claim(sweep, resume=resume)
    try:
        with store.journal() as journal:
            _Driver(sweep, store, journal, retry_failed, report).run(count, scheduler)
    finally:
        dataset = store.dataset(sweep)
        with contextlib.suppress(RfscoreError):  # a full disk has been reported already, or is by the next line
            store.export(dataset)
    store.export(dataset)
    return dataset


class _Driver:
    def __init__(self, sweep: Sweep, store: Store, journal: Journal, retry: bool, report: Report) -> None:
        self.store, self.journal, self.report = store, journal, report
        self.keys, self.index = store.keys(sweep), store.index()
        again = ("failed",) if retry else ()
        done = {name for name, outcome in self.index.outcomes.items() if outcome.status not in again}
        self.wanted = set(self.keys) - done
        self.tasks = tasks(sweep, self.keys, self.wanted, store.path / RUNS)
        if store.others_at_work() > 1:  # another driver: start at the other end, and meet
            self.tasks.reverse()
        self.finished, self.start = 0, time.perf_counter()
        self.state: dict[str, str] = dict.fromkeys(self.keys, "pending")
        self.counts, self.seen = Counter(self.state.values()), 0

    def run(self, workers: int, scheduler: str | None) -> None:
        self._tell()
        if not self.tasks:
            return
        if workers == 0 and scheduler is None:
            for task in self.tasks:
                if self._still_wanted(task):
                    self._file(work(task))
            return
        with _client(workers, scheduler) as client:
            self._distribute(client)

    def _distribute(self, client: Any) -> None:
        from distributed import as_completed

        waiting, queue = self.tasks[::-1], as_completed(loop=client.loop)
        asked: dict[Any, Task] = {}

        def give_out() -> None:
            room = _AHEAD * max(1, sum(client.nthreads().values())) - len(asked)
            while waiting and room > 0:
                task = waiting.pop()
                if self._still_wanted(task):
                    future = client.submit(work, task, pure=False)
                    asked[future] = task
                    queue.add(future)
                    room -= 1

        give_out()
        while asked:
            future = next(queue)
            results, again = self._collect(future, asked.pop(future))
            waiting.extend(again)
            self._file(results)
            give_out()

    def _collect(self, future: Any, task: Task) -> tuple[Results, list[Task]]:
        """A task's results; a task that kills its workers is repeated point by point, and a point that does, fails."""
        if future.status == "finished":
            try:
                return future.result(), []
            except OSError as error:
                raise _lost(error) from error
        reason = future.exception() if future.status == "error" else None
        if reason is None:
            raise _lost(None)
        if isinstance(reason, RfscoreError):
            raise reason
        if len(task.points) > 1:
            return [], task.split()
        words = f"its worker was killed {_DEATHS + 1} times, by lack of memory perhaps: lower d, or give workers more"
        died = type(reason).__name__ == "KilledWorker"
        return [(task.keys[0], failed(RfscoreError(words) if died else reason), 0.0)], []

    def _still_wanted(self, task: Task) -> bool:
        """Whether no other driver has filed all of a task meanwhile."""
        self.index.update()
        return any(self._missing(name) for name in task.keys)

    def _missing(self, name: str) -> bool:
        outcome = self.index.outcomes.get(name)
        return outcome is None or (outcome.status == "failed" and name in self.wanted)

    def _file(self, results: Results) -> None:
        fresh = [record for record in results if self._missing(record[0])]
        if fresh:
            self.journal.append(fresh)
            self.wanted -= {name for name, *_ in fresh}
            self.finished += len(fresh)
        self._tell()

    def _tell(self) -> None:
        added = self.index.update().added
        for name in added[self.seen :]:  # only what is new: a sweep of a million points has thousands of tasks
            if name in self.state:
                self.counts[self.state[name]] -= 1
                self.state[name] = self.index.outcomes[name].status
                self.counts[self.state[name]] += 1
        self.seen = len(added)
        pace = self.finished / max(1e-9, time.perf_counter() - self.start)
        done = len(self.state) - self.counts["pending"]
        self.report(Progress(len(self.state), done, self.counts["failed"], pace))


def _lost(error: BaseException | None) -> RfscoreError:
    return RfscoreError(f"the connection to the Dask scheduler was lost ({error or 'tasks were cancelled'}): all "
                        "results so far are kept; start it again and repeat with --resume")  # fmt: skip


def _restore(variables: dict[str, str]) -> None:
    for name in set(os.environ) - set(variables):
        del os.environ[name]
    os.environ.update(variables)


@contextlib.contextmanager
def _script_hidden() -> Iterator[None]:
    """Worker processes started here do not run the caller's script again: a script needs no main guard."""
    script = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


@contextlib.contextmanager
def _client(workers: int, scheduler: str | None) -> Iterator[Any]:
    """A Dask client of the scheduler given, or of worker processes started here, each on one thread."""
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise InputError(
            "sweeps on several workers need Dask: pip install 'rfscore[sweeps]', or --workers 0"
        ) from error
    for name in ("distributed", "distributed.nanny", "distributed.scheduler", "distributed.worker", "distributed.core",
                 "distributed.client", "distributed.comm"):  # fmt: skip
        logging.getLogger(name).setLevel(logging.CRITICAL)  # deaths of workers are handled here, and counted
    settings = {
        "distributed.scheduler.allowed-failures": _DEATHS, "distributed.admin.tick.limit": "1h",
        "distributed.nanny.pre-spawn-environ": one_thread(),  # the allocator reads its part before Python starts
    }  # fmt: skip
    with contextlib.ExitStack() as stack, dask.config.set(settings):
        stack.callback(_restore, dict(os.environ))  # Dask leaves the variables of its workers in this process
        if scheduler is None:
            stack.enter_context(_script_hidden())  # for as long as there are workers: dead ones are started anew
            cluster = LocalCluster(
                n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit=0,
                host="127.0.0.1", env=one_thread(), silence_logs=logging.CRITICAL,
            )  # fmt: skip
            stack.enter_context(cluster)
            scheduler = cluster.scheduler_address
        try:
            client = stack.enter_context(Client(scheduler, timeout="20s", set_as_default=False))
        except (OSError, TimeoutError, ValueError) as error:
            raise bad("scheduler", scheduler, "the address of a running Dask scheduler, e.g. tcp://node:8786",
                      "start one: dask scheduler") from error  # fmt: skip
        yield client

"""A hundred faults in one run: kills of drivers, of workers, of all, full disks, damaged files, two drivers at once.

`python -m benchmarks.soak` repeats a sweep of finite networks, each time with a fault, until a hundred faults have been
made; then it finishes the sweep and compares it with one that was never disturbed. Nothing that was filed may be lost,
and every bit must be the same. The counts are printed.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

from rfscore.sweeps import Store, Sweep, run
from rfscore.sweeps.records import _checked
from tests.sweeps.helpers import DRIVER, filed, kill_all, start, wait_for

#: How often each fault is drawn, relative to the others; what needs a process of its own is slow.
FAULTS = {"driver killed": 5, "all killed": 2, "worker killed": 2, "record damaged": 6, "record cut off": 4,
          "chunk damaged": 3, "disk full": 3, "two drivers, one killed": 2}  # fmt: skip
#: write(2) of a disk that fills up: half of a record still finds room, the rest does not.
_FULL = """
import errno, os
write, left = os.write, [{after}]
def full(file, text):
    left[0] -= 1
    if left[0] < -1:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return write(file, text[: len(text) // 2] if left[0] == -1 else text)
import rfscore.sweeps.records as records
records.os = type("Os", (), {{**vars(os), "write": staticmethod(full)}})
"""


def sweep(seeds: int) -> Sweep:
    """Small networks, so that the faults and not the work take the time; enough of them to last."""
    return Sweep({"psi_n": [1.0, 2.0, 4.0], "seed": list(range(seeds))},
                 {"psi_p": 6.0, "t": 0.1, "d": 10}, "finite", [10.0, 1e3])  # fmt: skip


class Soak:
    """One store under fire; `lost` counts records that were there before a fault and not after it."""

    def __init__(self, store: Path, seeds: int, seed: int) -> None:
        self.store, self.sweep, self.random = store, sweep(seeds), random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.damaged = self.named = self.lost = self.unsaid = 0

    def fault(self, kind: str) -> None:
        """Make one fault, and check that all whole records have survived it."""
        before = set(Store(self.store).index().outcomes)
        makers: dict[str, Any] = {
            "driver killed": self._kill, "two drivers, one killed": self._two, "disk full": self._full,
            "all killed": lambda: self._kill(2), "worker killed": self._worker, "record damaged": self._damage,
            "record cut off": self._cut, "chunk damaged": self._chunk,
        }  # fmt: skip
        spent = makers[kind]()  # how many records the fault itself destroyed
        after = set(Store(self.store).index().outcomes)
        self.lost += len(before - after) - (spent or 0)
        self.counts[kind] += 1

    def _kill(self, workers: int = 0) -> None:
        driver = start(self.sweep, self.store, workers)
        wait_for(self.store, filed(self.store) + self.random.randint(1, 3), driver)
        children = psutil.Process(driver.pid).children(recursive=True) if driver.poll() is None else []
        kill_all(driver)
        for child in children:
            if child.is_running():
                child.kill()

    def _worker(self) -> None:
        driver = start(self.sweep, self.store, 2)
        wait_for(self.store, filed(self.store) + 2, driver)
        workers = [c for c in psutil.Process(driver.pid).children(recursive=True) if "spawn" in " ".join(c.cmdline())]
        if workers:
            workers[-1].send_signal(signal.SIGKILL)
        wait_for(self.store, filed(self.store) + 3, driver)  # the others go on, and so does its successor
        kill_all(driver)

    def _two(self) -> None:
        first, second = start(self.sweep, self.store), start(self.sweep, self.store)
        wait_for(self.store, filed(self.store) + 3, first)
        kill_all(first)
        wait_for(self.store, filed(self.store) + 1, second)
        kill_all(second)

    def _full(self) -> None:
        """A driver whose disk is full after some records, in the middle of the next one."""
        code = _FULL.format(after=self.random.randint(1, 4)) + DRIVER
        driver = start(self.sweep, self.store, code=code)
        driver.wait()
        assert driver.stderr is not None
        said = driver.stderr.read().decode()
        driver.stderr.close()
        self.unsaid += "disk full" not in said

    def _file(self) -> Path | None:
        files = [f for f in (self.store / "records").glob("*.jsonl") if f.stat().st_size > 0]
        return self.random.choice(files) if files else None

    def _damage(self) -> int:
        """Flip a bit of a whole record; it must be noticed."""
        file = self._file()
        lines = file.read_bytes().splitlines(keepends=True) if file else []
        good = [i for i, line in enumerate(lines) if line.endswith(b"\n") and _checked(line[:-1])]
        if file is None or not good:
            return 0
        index = Store(self.store).index()
        known, noticed, at = set(index.outcomes), len(index.damages), self.random.choice(good)
        line = bytearray(lines[at])
        line[self.random.randrange(len(line) - 1)] ^= 1 << self.random.randrange(3)
        lines[at] = bytes(line)
        file.write_bytes(b"".join(lines))
        index = Store(self.store).index()
        self.damaged += 1
        self.named += len(index.damages) > noticed
        return len(known - set(index.outcomes))

    def _cut(self) -> int:
        file = self._file()
        if file is None:
            return 0
        known = set(Store(self.store).index().outcomes)
        file.write_bytes(file.read_bytes()[: -self.random.randint(1, 60)])
        return len(known - set(Store(self.store).index().outcomes))

    def _chunk(self) -> int:
        chunks = [f for f in (self.store / "results.zarr").rglob("c/**/*") if f.is_file()]
        if not chunks:
            Store(self.store).export(Store(self.store).dataset(self.sweep))
            chunks = [f for f in (self.store / "results.zarr").rglob("c/**/*") if f.is_file()]
        chunk = self.random.choice(chunks)
        content = bytearray(chunk.read_bytes())
        content[self.random.randrange(len(content))] ^= 2
        chunk.write_bytes(content)
        name = chunk.relative_to(self.store / "results.zarr").as_posix()
        self.damaged += 1
        self.named += any(name in str(d) for d in Store(self.store).damages())
        return 0


def soak(faults: int, seed: int, report: Any = print) -> dict[str, Any]:
    """Make so many faults, finish, compare; the counts."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        seeds = max(8, faults)
        attacked = Soak(Path(scratch, "attacked"), seeds, seed)
        attacked._kill()
        kinds = attacked.random.choices(list(FAULTS), weights=list(FAULTS.values()), k=faults - 1)
        attacked.counts["driver killed"] += 1
        for i, kind in enumerate(kinds):
            attacked.fault(kind)
            if i % 10 == 9:
                report(f"{i + 2} faults, {filed(attacked.store)} of {attacked.sweep.size} points filed, "
                       f"{attacked.lost} lost")  # fmt: skip
        before = filed(attacked.store)
        found = run(attacked.sweep, attacked.store, resume=True, workers=0)
        left = Store(attacked.store).damages()
        whole = run(attacked.sweep, Path(scratch, "whole"), workers=0)
        shutil.rmtree(Path(scratch, "whole"))
        return {
            "faults": sum(attacked.counts.values()), "of": dict(attacked.counts), "points": attacked.sweep.size,
            "filed under fire": before, "lost": attacked.lost, "damaged": attacked.damaged, "named": attacked.named,
            "full disks not said": attacked.unsaid,
            "failed at the end": int((found.status == 3).sum()), "pending at the end": int((found.status == 0).sum()),
            "damage left": len(left), "bits equal": bool(found.equals(whole)),
            "seconds": round(time.perf_counter() - began),
        }  # fmt: skip


def main() -> None:
    """Print the counts; fail when something was lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    counts = soak(options.faults, options.seed)
    for name, value in counts.items():
        print(f"{name}: {value}")
    if counts["lost"] or not counts["bits equal"] or counts["pending at the end"] or counts["failed at the end"]:
        raise SystemExit("soak: something was lost")


if __name__ == "__main__":
    main()

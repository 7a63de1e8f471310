"""Plant every mutant in a copy of the package and see which fast test catches it: `python -m tests.mutation`.

Writes tests/mutation/table.md. Exits 1 when a mutant survives. Takes a while: every mutant is a fresh process.
"""

from __future__ import annotations

import argparse
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutation.mutants import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "tests/mutation/table.md"
#: Seconds for one test file, many times what it takes: a mutant that makes a loop endless is caught, too.
PATIENCE = 300
#: The fast tests, the likeliest killers of each layer first; no slow test counts.
THEORY = ["tests/theory/test_coefficients.py", "tests/theory/test_curves.py", "tests/theory/test_one_point.py",
          "tests/theory/test_two_point.py", "tests/theory/test_spectrum.py", "tests/theory/test_transformations.py",
          "tests/theory/test_limits.py", "tests/theory/test_gaps.py", "tests/theory/test_frozen_noise.py",
          "tests/theory/test_descent.py", "tests/theory/test_step_noise.py", "tests/theory/test_checked.py",
          "tests/theory/test_ridge.py", "tests/sweeps/test_theory_sweeps.py",
          "tests/theory/test_channels.py"]  # fmt: skip
FINITE = ["tests/finite/test_flow.py", "tests/finite/test_features.py", "tests/finite/test_equivalent.py",
          "tests/finite/test_numbers.py"]  # fmt: skip
FIRST = {"equivalence": 0, "equivalent": 1, "losses": 1, "contours": 1, "one_point": 1, "resolvent": 2, "two_point": 3,
         "real_curve": 4, "spectrum": 4, "timescales": 5, "assemble": 1, "targets": 8, "bulks": 1, "gaps": 7,
         "limits": 6, "decomposition": 8, "replicas": 8, "descent": 9, "step_contours": 9, "every_step": 10,
         "step_noise": 10, "checked": 11, "stopping": 13, "training": 9, "counting": 4, "classes": 14,
         "target": 1}  # fmt: skip


def suite(mutant: Mutant) -> list[str]:
    """Test files, the one closest to the mutant's module first."""
    if "/finite/" in mutant.file:
        return FINITE
    first = FIRST[Path(mutant.file).stem]
    return [THEORY[first], *THEORY[:first], *THEORY[first + 1 :]]


def copied(folder: Path) -> None:
    """Package and tests as they are."""
    for name in ("rfscore", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)


def failing(copy: Path, file: str) -> str:
    """Name of the first fast test of a file that fails in a copy, or ''."""
    environment = os.environ | {"PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not slow", file]
    for _ in range(3):  # a process that a signal ends has judged nothing: once more
        try:
            run = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            return f"{Path(file).name} (does not end)"
        if run.returncode == 1:
            found = re.search(r"^(?:FAILED|ERROR) \S*/(\S+)", run.stdout, re.MULTILINE)
            return found.group(1) if found else file
        if run.returncode >= 0:  # other than 0: collection is broken, which is a failure all the same
            return f"{Path(file).name} (does not import)" if run.returncode else ""
    raise SystemExit(f"{file} was ended by signal {-run.returncode} three times: nothing is known")


@functools.cache
def sound(file: str) -> bool:
    """Whether a file passes without any planted error: only then does its failure mean something."""
    with tempfile.TemporaryDirectory() as folder:
        copied(Path(folder))
        return not failing(Path(folder), file)


def killer(mutant: Mutant) -> str:
    """Name of the first fast test that fails on the mutant, or '' when it survives."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        copied(copy)
        target = copy / mutant.file
        text = target.read_text(encoding="utf-8")
        if text.count(mutant.old) != 1:
            raise SystemExit(f"{mutant.file}: {mutant.old!r} occurs {text.count(mutant.old)} times; update the list")
        target.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        for file in suite(mutant):
            test = failing(copy, file)
            if test and not sound(file):
                raise SystemExit(f"{file} fails without any planted error: mend that first")
            if test:
                return test
    return ""


def planted(mutant: Mutant) -> str:
    """The first two columns of a mutant's row."""
    before, after = (text.split("\n")[0].replace("|", "\\|") for text in (mutant.old, mutant.new))
    return f"| {mutant.file} | `{before}` → `{after}` |"


def record(mutant: Mutant, test: str) -> None:
    """The row of a mutant that has just run; rows of mutants that are no longer in the list go."""
    rows = [planted(other) for other in MUTANTS]
    old = TABLE.read_text(encoding="utf-8").splitlines()
    known = {row: line for line in old for row in rows if line.startswith(row)}
    known[planted(mutant)] = f"{planted(mutant)} {test or '**survives**'} |"
    lines = ["| file | planted | caught by |", "|---|---|---|", *(known[row] for row in rows if row in known)]
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Run all mutants, two at a time."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--only", default="", help="only mutants whose file contains this")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if options.only in mutant.file]
    survivors = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for i, (mutant, test) in enumerate(zip(chosen, pool.map(killer, chosen), strict=True), 1):
            survivors += not test
            print(f"{i}/{len(chosen)} {mutant.file}: {mutant.new!r:.70} -> {test or 'SURVIVES'}", flush=True)
            record(mutant, test)
    print(f"{len(chosen) - survivors} of {len(chosen)} mutants caught")
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()

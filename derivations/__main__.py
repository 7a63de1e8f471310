"""`python -m derivations`: run all of them, print a table, write derivations.html and derivations.tex."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import re
import sys
import time
from pathlib import Path

import derivations
from derivations import citations, document
from derivations.record import Derivation


def names() -> list[str]:
    """The numbered scripts, in order."""
    found = (module.name for module in pkgutil.iter_modules(derivations.__path__))
    return sorted(name for name in found if re.fullmatch(r"D\d\d_\w+", name))


def run(name: str) -> Derivation:
    """Run one script; raises AssertionError where a claim does not hold."""
    return importlib.import_module(f"derivations.{name}").derive()


def main(arguments: list[str] | None = None) -> int:
    """Run, report, write; the exit code is the number of scripts that failed."""
    parser = argparse.ArgumentParser(prog="python -m derivations", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/derivations"), help="folder for the document")
    parser.add_argument("--only", nargs="*", default=[], metavar="D04", help="run these scripts only")
    options = parser.parse_args(arguments)
    chosen = [n for n in names() if not options.only or any(n.startswith(x) for x in options.only)]
    if not chosen:
        parser.error(f"--only: none of {options.only}; the scripts are {', '.join(n[:3] for n in names())}")
    done, seconds, failed = [], {}, 0
    print(f"{'':4}{'derivation':52}{'equations':>10}{'checks':>8}{'seconds':>9}")
    for name in chosen:
        start = time.perf_counter()
        try:
            record = run(name)
        except AssertionError as error:
            failed += 1
            print(f"{name[:3]:4}FAILED: {error}")
            continue
        seconds[record.number] = time.perf_counter() - start
        done.append(record)
        print(
            f"{name[:3]:4}{record.title:52}{len(record.equations):10}{len(record.checks):8}{seconds[record.number]:9.1f}"
        )
    _write(done, seconds, options.output)
    return failed


def _write(done: list[Derivation], seconds: dict[int, float], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "derivations.tex").write_text(document.to_tex(done), encoding="utf-8")
    print(f"wrote {folder / 'derivations.tex'}")
    try:
        page = document.to_html(done, seconds, citations.in_package())
    except ModuleNotFoundError as error:
        print(f"no HTML: {error.name} is missing; install the extra: pip install 'rfscore[symbolic]'")
        return
    (folder / "derivations.html").write_text(page, encoding="utf-8")
    print(f"wrote {folder / 'derivations.html'}")


if __name__ == "__main__":
    sys.exit(main())

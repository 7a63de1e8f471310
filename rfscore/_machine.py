"""What the machine has - memory, cores, a folder for caches, locks - with an answer where the system does not say."""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_PROC, _CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")


def free_memory() -> float:
    """Bytes a process may still use: memory that holds copies of files counts as free, a container's limit is kept.

    inf where the system does not say.
    """
    return min([_system_memory(), *_container_memory()])


def _system_memory() -> float:
    for line in _lines(_PROC / "meminfo"):
        if line.startswith("MemAvailable:"):
            return 1024.0 * float(line.split()[1])
    try:
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):  # macOS has not this name, Windows not this function
        return float("inf")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _number(path: Path) -> float:
    """The number a control file holds; inf for `max`, and where there is no such file."""
    word = "".join(_lines(path)[:1]).strip()
    return float(word) if word.isdecimal() else float("inf")


def _cgroups(controller: str) -> Iterator[tuple[Path, bool]]:
    """Folders of this process's control groups from its own to the root, and whether they are of version 2.

    A container often sees its own group as the root; then the names above lead nowhere, and the root counts.
    """
    for line in _lines(_PROC / "self/cgroup"):
        number, names, group = [*line.split(":", 2), "", ""][:3]
        if number == "0" or controller in names.split(","):
            root = _CGROUPS if number == "0" else _CGROUPS / controller
            parts = [part for part in group.split("/") if part not in ("", "..")]
            for k in range(len(parts), -1, -1):
                yield root.joinpath(*parts[:k]), number == "0"


def _container_memory() -> Iterator[float]:
    for folder, second in _cgroups("memory"):
        limit = _number(folder / ("memory.max" if second else "memory.limit_in_bytes"))
        used = _number(folder / ("memory.current" if second else "memory.usage_in_bytes"))
        if limit < float("inf") and used < float("inf"):
            stat = dict(line.split()[:2] for line in _lines(folder / "memory.stat") if len(line.split()) == 2)
            copies = float(stat.get("inactive_file" if second else "total_inactive_file", 0))
            yield max(0.0, limit - used + copies)


def core_count() -> int:
    """Cores this process may use, by its affinity and its container's share of time; at least 1."""
    affinity: Any = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    for folder, second in _cgroups("cpu"):
        if second:
            quota, period = [*" ".join(_lines(folder / "cpu.max")[:1]).split(), "max", "max"][:2]
        else:
            quota, period = ("".join(_lines(folder / f"cpu.cfs_{name}_us")[:1]) for name in ("quota", "period"))
        if quota.isdecimal() and period.isdecimal() and int(period) > 0:
            count = min(count, -(-int(quota) // int(period)))
    return max(1, count)


def cache_folder() -> Path | None:
    """$XDG_CACHE_HOME/rfscore, by default ~/.cache/rfscore, made; None where there is no home or it cannot be written.

    A cache saves time and nothing else: whoever gets None goes on without.
    """
    given = os.environ.get("XDG_CACHE_HOME", "")
    try:
        folder = (Path(given) if os.path.isabs(given) else Path.home() / ".cache") / "rfscore"
        folder.mkdir(parents=True, exist_ok=True)
    except (RuntimeError, OSError):
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def keep_compiled() -> None:
    """Let JAX keep compiled programs in the cache folder: theory takes seconds to compile, a U-Net half a minute.

    Commands do, a library does not. Not where RFSCORE_NO_CACHE is set, or where JAX was told where to keep them. By
    environment variables, so that JAX need not be imported for it, and worker processes do the same.
    """
    folder = cache_folder()
    if folder is None or os.environ.get("RFSCORE_NO_CACHE") or os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return
    settings = {
        "jax_compilation_cache_dir": str(folder / "compiled"),
        "jax_persistent_cache_min_compile_time_secs": 0.0,  # sixty small ones make a second
    }
    for name, value in settings.items():
        os.environ.setdefault(name.upper(), str(value))
    if jax := sys.modules.get("jax"):
        for name, value in settings.items():
            jax.config.update(name, value)


def compile_quickly() -> None:
    """Let XLA spend less on programs of this process: for commands that solve one problem, most of which is compiling.

    Nothing where the user has set JAX_DISABLE_MOST_OPTIMIZATIONS.
    """
    if "JAX_DISABLE_MOST_OPTIMIZATIONS" not in os.environ:
        import jax

        jax.config.update("jax_disable_most_optimizations", True)


def lock(file: Any, name: str, *, shared: bool = False, wait: bool = False, warn: bool = True) -> bool:
    """Lock an open file for this process; False when another process holds it.

    Only "would block" means held. Where the file system or the system has no locks (Windows, some network drives) this
    warns and answers True: two processes at once are then not noticed.
    """
    if fcntl is None:
        reason = "this system has no file locks"
    else:
        how = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
        try:
            fcntl.flock(file, how)
            return True
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN):
                return False
            reason = f"its file system refuses locks: {error.strerror or error}"
    if warn:
        warnings.warn(f"{name!r} is not locked ({reason}); let only one process write there", UserWarning, stacklevel=2)
    return True

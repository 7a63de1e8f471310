"""`rfscore sweep` and `rfscore plot`: grids of problems, resumable, and their pictures."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rfscore.cli import show
from rfscore.cli.options import Json

if TYPE_CHECKING:
    from rfscore.sweeps import Sweep

app = typer.Typer(
    help="Evaluate a grid of problems by theory, finite networks or trained networks, into one folder that survives "
    "kills, full disks and other drivers. Values: 8, or 4,8,16, or 1:64:100:log (low:high:count). "
    "`rfscore sweep status STORE` says how far a sweep is.",
    rich_markup_mode=None, pretty_exceptions_enable=False, invoke_without_command=True, no_args_is_help=True,
)  # fmt: skip


class Model(StrEnum):
    """What evaluates a point."""

    theory = "theory"
    finite = "finite"
    network = "network"


def _axis(name: str, about: str) -> Any:
    return typer.Option(f"--{name}", help=about, show_default=False)


Axis = str | None
Folder = Annotated[Path, typer.Argument(help="Folder of a sweep.", show_default=False)]


@app.callback()
def sweep(
    context: typer.Context,
    psi_n: Annotated[Axis, _axis("psi-n", "n/d.")] = None,
    psi_p: Annotated[Axis, _axis("psi-p", "p/d.")] = None,
    t: Annotated[Axis, _axis("t", "Diffusion time.")] = None,
    sigma_x: Annotated[Axis, _axis("sigma-x", "Sigma = sigma_x^2 I.")] = None,
    population: Annotated[Axis, _axis("population", "As for `rfscore curves`; several separated by ;.")] = None,
    activation: Annotated[Axis, _axis("activation", "tanh, erf, sin, relu, module:function.")] = None,
    process: Annotated[Axis, _axis("process", "As for `rfscore curves`; several separated by ;.")] = None,
    target: Annotated[Axis, _axis("target", "score, noise, data, velocity, v.")] = None,
    d: Annotated[Axis, _axis("d", "Data dimension (finite networks).")] = None,
    seed: Annotated[Axis, _axis("seed", "Seeds (finite and trained networks).")] = None,
    features: Annotated[Axis, _axis("features", "exact or gaussian-equivalent (finite networks).")] = None,
    more: Annotated[
        list[str] | None, typer.Option("--set", help="name=values of anything else, e.g. data.n=64,128; repeatable.")
    ] = None,
    model: Annotated[Model, typer.Option("--model", help="Infinite size, drawn networks, or trained ones.")] = (
        Model.theory
    ),
    tau: Annotated[str, typer.Option("--tau", help="Training times of the losses.")] = "1e3,1e4,inf",
    paired: Annotated[bool, typer.Option("--paired", help="Walk the axes together: a list, not a grid.")] = False,
    config: Annotated[Path | None, typer.Option("--config", help="TOML that all trained networks share.")] = None,
    file: Annotated[Path | None, typer.Option("--from", help="TOML of the sweep instead of these options.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the sweep (the store).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on in OUT; without axes, with its own.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Evaluate failed points once more.")] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Processes of one thread [default: one a core]; 0: this one.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="Address of a Dask scheduler, e.g. tcp://node:8786.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every point and estimate time and memory.")] = False,
    as_json: Json = False,
) -> None:
    """Evaluate a grid of problems into a folder; exit code 1 when points failed."""
    from rfscore.errors import bad

    if context.invoked_subcommand is not None:
        return
    given = {
        "psi_n": psi_n, "psi_p": psi_p, "t": t, "sigma_x": sigma_x, "population": population,
        "activation": activation, "process": process, "target": target, "d": d, "seed": seed, "features": features,
    }  # fmt: skip
    values = {name: text for name, text in given.items() if text is not None} | _named(
        more or [], "--set", "name=values, e.g. data.n=64,128"
    )
    if out is None and not dry_run:
        raise bad("--out", "missing", "a folder for the results")
    wanted = _asked(values, model.value, tau, paired, config, file, out if resume else None)
    if dry_run:
        _estimate(wanted, out, workers, as_json)
        return
    assert out is not None
    _run(wanted, out, as_json, resume=resume, retry_failed=retry_failed, workers=workers, scheduler=scheduler)


def _named(texts: list[str], option: str, form: str) -> dict[str, str]:
    from rfscore.errors import bad

    pairs = [text.partition("=") for text in texts]
    for name, equals, value in pairs:
        if not equals:
            raise bad(option, name + value, form)
    return {name.strip(): value for name, _, value in pairs}


def _asked(
    values: dict[str, str], model: str, tau: str, paired: bool, config: Path | None, file: Path | None,
    store: Path | None,
) -> Sweep:  # fmt: skip
    """The sweep that the options, a file, or the store to be resumed describe."""
    from rfscore._text import read_toml
    from rfscore.errors import bad
    from rfscore.sweeps import Sweep, axes, read
    from rfscore.sweeps.store import Store

    if file is not None:
        if values:
            raise bad("--from", str(file), "no axes beside it", f"put {sorted(values)} into the file")
        return read(file)
    if not values:
        if store is not None:
            return Store(store).sweep()
        raise bad("sweep", "no axes", "at least one, e.g. --psi-n 1:64:100:log", "or --from FILE, or --resume")
    parsed = {name: axes.parse(name, text) for name, text in values.items()}
    varying = {name: v for name, v in parsed.items() if len(v) > 1} or dict([next(iter(parsed.items()))])
    fixed = {name: v[0] for name, v in parsed.items() if name not in varying}
    shared = {} if config is None else read_toml(config, "config")
    return Sweep(varying, fixed, model, tau, paired, shared)  # type: ignore[arg-type]


def _run(wanted: Sweep, out: Path, as_json: bool, **options: Any) -> None:
    from rfscore.cli.progress import bar
    from rfscore.sweeps import Progress, run

    with bar("points", wanted.size) as now:

        def report(x: Progress) -> None:
            now.to(x.done, x.total, f"{x.done} of {x.total} points, {x.failed} failed, {x.pace:.3g}/s")

        run(wanted, out, report=report, **options)
    failed = _status(out, as_json)
    if not as_json:
        print(f"written to {out}/results.zarr (xarray.open_zarr); pictures: rfscore plot {out}")
    if failed:
        raise typer.Exit(1)


def _estimate(wanted: Sweep, out: Path | None, workers: int | None, as_json: bool) -> None:
    from rfscore._plain import to_json
    from rfscore.sweeps import cost
    from rfscore.sweeps.store import ASKED, Store

    wanted.check()
    points = wanted.points()
    if out is not None and (out / ASKED).exists():
        store = Store(out)
        known = store.index().outcomes
        points = [point for point, name in zip(points, store.keys(wanted), strict=True) if name not in known]
    count = cost.workers_that_fit(wanted, workers)
    found = cost.estimate(wanted, points, count)
    if as_json:
        show.put_json(to_json({"sweep": wanted.plain(), "workers": count, "estimate": found}))
        return
    print(f"{wanted.size} points, {found.points} to evaluate, on {count} workers; every point is valid")
    if not found.known:
        print("trained networks are not estimated: run one point, then `rfscore sweep status` shows its seconds")
        return
    size = f"at most {found.bytes_per_worker / 2**30:.1f} GiB a worker"
    print(f"about {_span(found.seconds)} ({_span(found.core_seconds)} of one core), {size}; good to a factor of two")


def _span(seconds: float) -> str:
    for unit, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"


@app.command()
def status(
    store: Folder,
    as_json: Json = False,
) -> None:
    """How far a sweep is: points done, failed with their messages, pending, damaged, and who is at work."""
    _status(store, as_json)


def _status(path: Path, as_json: bool) -> int:
    """Say how far a sweep is; returns how many points failed."""
    from rfscore._plain import to_json
    from rfscore.sweeps.spec import describe
    from rfscore.sweeps.store import Store, statuses

    store = Store(path)
    wanted = store.sweep()
    names, index = store.keys(wanted), store.index()
    counts, damages = statuses(index, names), store.damages(index)
    seconds = sum(index.seconds.get(name, 0.0) for name in names)
    at = {name: describe(point, wanted.axes) for point, name in zip(wanted.points(), names, strict=True)}
    failures, partial = (
        [
            {"point": at[name], "message": index.outcomes[name].message}
            for name in names
            if name in index.outcomes and index.outcomes[name].status == which
        ]
        for which in ("failed", "partial")
    )
    damaged = [f"{d}: {at[d.key]}" if d.key in at else str(d) for d in damages]
    if as_json:
        told = {"counts": counts, "failures": failures, "partial": partial, "damaged": damaged, "core_seconds": seconds}
        show.put_json(to_json({**told, "drivers": store.others_at_work()}))
        return len(failures)
    shape = " x ".join(f"{len(v)} {name}" for name, v in wanted.axes.items())
    rows = [[name, str(count), f"{100 * count / wanted.size:.1f} %"] for name, count in counts.items()]
    show.table(f"{wanted.model} sweep of {shape}: {wanted.size} points", ["status", "points", ""], rows)
    print(f"{seconds:.1f} s of work filed; drivers at work: {store.others_at_work()}")
    for message, points in _by_message(partial).items():
        print(f"partial: {len(points)} points without a number, e.g. {points[0]}: {message}")
    for failure in failures[:10]:
        print(f"failed: {failure['point']}: {failure['message']}")
    if len(failures) > 10:
        print(f"... and {len(failures) - 10} more failed points: --json lists them")
    for place in damaged:
        print(f"damaged: {place}")
    if damaged or counts["pending"]:
        print(f"go on with: rfscore sweep --resume --out {path}" + (" (evaluates what is damaged)" if damaged else ""))
    elif failures:
        print(f"repeat the failed ones with: rfscore sweep --resume --retry-failed --out {path}")
    return len(failures)


def _by_message(entries: list[dict[str, str]]) -> dict[str, list[str]]:
    """The points of each message, the most frequent first."""
    found: dict[str, list[str]] = {}
    for entry in entries:
        found.setdefault(entry["message"], []).append(entry["point"])
    return dict(sorted(found.items(), key=lambda pair: -len(pair[1])))


def plot(
    store: Folder,
    out: Annotated[
        Path | None, typer.Option("--out", help="Picture to write, .png or .pdf [default: in STORE].")
    ] = None,
    what: Annotated[
        str | None, typer.Option("--what", help="Variables, separated by commas [default: a choice of six].")
    ] = None,
    at: Annotated[
        list[str] | None, typer.Option("--at", help="name=value of an axis that is not drawn, e.g. t=0.01; repeatable.")
    ] = None,
    points: Annotated[
        Path | None, typer.Option("--points", help="Folder of a finite-size sweep, drawn on top of the theory's.")
    ] = None,
    level: Annotated[float, typer.Option("--level", help="L_gen that bounds memorisation in diagrams.")] = 0.1,
) -> None:
    """Heat-maps (two axes) or lines (one) of a sweep; over psi_n and psi_p with the boundary n*(p) of memorisation."""
    from rfscore.errors import bad
    from rfscore.sweeps import figure
    from rfscore.sweeps.store import Store

    chosen = _named(at or [], "--at", "name=value, e.g. t=0.01")
    target = out or store / "diagram.png"
    if target.suffix not in (".png", ".pdf"):
        raise bad("--out", str(target), "a .png or .pdf file")
    names = [name.strip() for name in what.split(",")] if what else None
    over = Store(points).dataset() if points is not None else None
    replaced = " (an earlier picture was replaced)" if target.exists() else ""
    print(f"written: {figure.write(Store(store).dataset(), target, names, chosen, over, level)}{replaced}")

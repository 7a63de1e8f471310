"""The commands of the random-features model. Heavy imports are inside, so that --help is quick."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rfscore.cli import networks, show
from rfscore.cli.options import (
    Activation,
    Covariance,
    Data,
    Dimension,
    Features,
    Full,
    Json,
    Kind,
    NoiseDraws,
    NoPlot,
    Out,
    Overwrite,
    Points,
    PsiN,
    PsiP,
    Ridge,
    Seed,
    Size,
    T,
    TauMax,
    TauMin,
    Tiny,
)  # fmt: skip

if TYPE_CHECKING:
    import numpy as np

    import rfscore as rf

app = typer.Typer(
    help="Why diffusion models generalise before they memorise, in a solvable model: random features trained by score "
    "matching (Bonnaire et al. 2025). Theory at infinite size, exact training at finite size, and both side by side.",
    add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
)  # fmt: skip
app.add_typer(networks.app, name="networks")


def _problem(
    psi_n: float, psi_p: float, t: float, covariance: str, activation: str, noise_draws: float, ridge: float
) -> rf.ScoreProblem:
    import rfscore as rf
    from rfscore.model import text

    rho = text.covariance(covariance)
    return rf.ScoreProblem(psi_n, psi_p, t, rho, activation, noise_draws=noise_draws, ridge=ridge)


def _title(problem: rf.ScoreProblem) -> str:
    words = f"psi_n = {problem.psi_n:g}, psi_p = {problem.psi_p:g}, t = {problem.t:g}, {problem.activation.name}"
    words += f", m = {problem.noise_draws:g}" if problem.noise_draws < float("inf") else ""
    return words + (f", ridge = {problem.ridge:g}" if problem.ridge else "")


def _grid(problem: rf.ScoreProblem, low: float | None, high: float | None, points: int) -> np.ndarray:
    import rfscore as rf
    from rfscore.cli import parse

    scales = rf.timescales(problem)
    return parse.times(low, high, points, (0.02 * float(scales.tau_gen_scale), 20.0 * float(scales.tau_last_edge)))


def _curve_rows(tau: np.ndarray, *columns: np.ndarray) -> list[list[str]]:
    """About ten times, the first and last among them, one row each."""
    import numpy as np

    pick = np.unique(np.linspace(0, len(tau) - 1, min(12, len(tau))).astype(int))
    return [[f"{tau[i]:.3g}", *(f"{y[i]:.6f}" for y in columns)] for i in pick]


def _observed(tau: np.ndarray, curves: rf.LossCurves) -> dict[str, Any]:
    from rfscore import observables as ob

    return {"tau_opt": ob.tau_opt(tau, curves.test), "tau_half": ob.tau_half(tau, curves.train, curves.test)}


def _times_line(found: dict[str, Any]) -> str:
    words = [f"{name} = {x.value:.4g}" if x.status == "ok" else f"{name}: {x.message}" for name, x in found.items()]
    return "; ".join(words) + "  (lowest test loss; half of the final gap)"


@app.command()
def spectrum(
    psi_n: PsiN = 8.0, psi_p: PsiP = 64.0, t: T = 0.01,
    covariance: Covariance = "isotropic:1", activation: Activation = "tanh",
    noise_draws: NoiseDraws = float("inf"), ridge: Ridge = 0.0,
    as_json: Json = False, out: Out = None, no_plot: NoPlot = False, overwrite: Overwrite = False,
) -> None:  # fmt: skip
    """Spectrum of the feature covariance U (Theorem 3.1): bulks with exact edges and masses, atom, density."""
    import rfscore as rf

    problem = _problem(psi_n, psi_p, t, covariance, activation, noise_draws, ridge)
    spec, co = rf.spectrum(problem), rf.coefficients(problem)
    result = {
        "problem": problem, "edges": spec.edges, "masses": spec.masses, "atoms": spec.atoms,
        "coefficients": {k: float(getattr(co, k)) for k in ("mu1", "a", "b", "v2", "s2")},
    }  # fmt: skip

    def picture() -> Any:
        from rfscore import plotting

        figure, axes = plotting.panels(width=4.6, height=3.0)
        places = [plotting.places(low, high) for low, high in spec.edges]
        plotting.density(axes[0, 0], [(lam, lam * spec.density(lam)) for lam in places], spec.atoms)
        return figure

    def screen() -> None:
        rows = [[f"atom at {x:.6g}", "", f"{m:.9f}"] for x, m in spec.atoms]
        rows += [[f"{a:.9g}", f"{b:.9g}", f"{m:.9f}"] for (a, b), m in zip(spec.edges, spec.masses, strict=True)]
        show.table(f"Spectrum of U: {_title(problem)}", ["from", "to", "fraction of eigenvalues"], rows)

    show.leave("spectrum", as_json=as_json, plot=not no_plot, out=out, result=result, problem=problem,
               dataset=spec.to_xarray, picture=picture, screen=screen, overwrite=overwrite)  # fmt: skip


@app.command()
def curves(
    psi_n: PsiN = 8.0, psi_p: PsiP = 64.0, t: T = 0.01,
    covariance: Covariance = "isotropic:1", activation: Activation = "tanh",
    noise_draws: NoiseDraws = float("inf"), ridge: Ridge = 0.0,
    tau_min: TauMin = None, tau_max: TauMax = None, points: Points = 121,
    as_json: Json = False, out: Out = None, no_plot: NoPlot = False, overwrite: Overwrite = False,
) -> None:  # fmt: skip
    """Training loss, test loss and score error at every training time tau, by theory; tau = 0 and infinity included."""
    import rfscore as rf

    problem = _problem(psi_n, psi_p, t, covariance, activation, noise_draws, ridge)
    tau = _grid(problem, tau_min, tau_max, points)
    found = rf.loss_curves(problem, tau)
    times = _observed(tau, found)
    losses = {"train": found.train, "test": found.test, "score_error": found.score_error}
    result = {"problem": problem, "tau": tau, **losses, **times}

    def picture() -> Any:
        from rfscore import plotting

        figure, axes = plotting.panels(1, 2, width=7.2, height=3.0)
        inner = slice(1, -1)
        plotting.losses(axes[0, 0], {psi_n: (tau[inner], found.train[inner])}, {psi_n: (tau[inner], found.test[inner])})
        plotting.score_error(axes[0, 1], {psi_n: (tau[inner], found.score_error[inner])}, legend=False)
        return figure

    def screen() -> None:
        rows = _curve_rows(tau, found.train, found.test, found.score_error)
        show.table(f"Losses by theory: {_title(problem)}", ["tau", "training", "test", "score error"], rows)
        print(_times_line(times))

    show.leave("curves", as_json=as_json, plot=not no_plot, out=out, result=result, problem=problem,
               dataset=found.to_xarray, picture=picture, screen=screen, overwrite=overwrite)  # fmt: skip


@app.command()
def timescales(
    psi_n: PsiN = 8.0, psi_p: PsiP = 64.0, t: T = 0.01,
    covariance: Covariance = "isotropic:1", activation: Activation = "tanh",
    noise_draws: NoiseDraws = float("inf"), ridge: Ridge = 0.0,
    as_json: Json = False, out: Out = None, no_plot: NoPlot = False, overwrite: Overwrite = False,
) -> None:  # fmt: skip
    """tau_gen and tau_mem: predicted by the spectrum, psi_p/(Delta_t lambda_min), and read off the theory's curves."""
    import rfscore as rf

    problem = _problem(psi_n, psi_p, t, covariance, activation, noise_draws, ridge)
    scales = rf.timescales(problem)
    predicted = {f.name: float(getattr(scales, f.name)) for f in dataclasses.fields(scales)}
    tau = _grid(problem, None, None, 161)
    read = _observed(tau, rf.loss_curves(problem, tau))
    result = {"problem": problem, "predicted": predicted, "from_curves": read}

    def dataset() -> Any:
        import xarray as xr

        values = {**predicted, **{f"{name}_from_curves": x.value for name, x in read.items()}}
        return xr.Dataset({name: ((), value) for name, value in values.items()})

    def picture() -> Any:
        return _times_picture(problem)

    def screen() -> None:
        words = {
            "tau_gen_scale": "1/Delta_t", "tau_mem_edge": "psi_p/(Delta_t lambda_min), left edge of the sample bulk",
            "tau_mem_law": "the same with the large-psi edge of Theorem 3.2",
            "tau_last_edge": "psi_p/(Delta_t lambda_lowest), left edge of the lowest bulk",
            "lambda_min": "exact left edge of the sample bulk", "lambda_lowest": "exact left edge of the lowest bulk",
            "lambda_min_law": "s2 + v2 (1 - sqrt(psi_p/psi_n))^2",
        }  # fmt: skip
        rows = [[name, f"{predicted[name]:.6g}", text] for name, text in words.items()]
        show.table(f"Predicted by the spectrum: {_title(problem)}", ["", "value", "meaning"], rows)
        print("read off the curves:", _times_line(read))

    show.leave("timescales", as_json=as_json, plot=not no_plot, out=out, result=result, problem=problem,
               dataset=dataset, picture=picture, screen=screen, overwrite=overwrite)  # fmt: skip


def _times_picture(problem: rf.ScoreProblem) -> Any:
    """Times for psi_n around the one asked for, all else equal."""
    import equinox as eqx
    import numpy as np

    import rfscore as rf
    from rfscore import plotting
    from rfscore.model.problem import PSI_RANGE

    psi_n = np.clip(float(problem.psi_n) * 2.0 ** np.arange(-2.0, 2.5, 0.5), *PSI_RANGE)
    around = [eqx.tree_at(lambda q: q.psi_n, problem, float(v)) for v in np.unique(psi_n)]
    scales = [rf.timescales(q) for q in around]
    read: dict[str, list[float]] = {"tau_opt": [], "tau_half": []}
    for q in around:
        tau = _grid(q, None, None, 161)
        for name, x in _observed(tau, rf.loss_curves(q, tau)).items():
            read[name].append(x.value)
    lines = {
        r"$\psi_p/(\Delta_t\lambda_{\rm min})$": (np.array([float(s.tau_mem_edge) for s in scales]), "--"),
        r"$\psi_p/(\Delta_t\lambda_{\rm lowest})$": (np.array([float(s.tau_last_edge) for s in scales]), ":"),
        r"$1/\Delta_t$": (np.array([float(s.tau_gen_scale) for s in scales]), "-."),
    }
    figure, axes = plotting.panels(width=4.6, height=3.4)
    plotting.times(axes[0, 0], np.unique(psi_n), {k: np.array(v) for k, v in read.items()}, {}, lines)
    axes[0, 0].set_ylim(top=50 * max(float(s.tau_last_edge) for s in scales))
    return figure


@app.command()
def finite(
    psi_n: PsiN = 4.0, psi_p: PsiP = 16.0, t: T = 0.1,
    covariance: Covariance = "isotropic:1", activation: Activation = "tanh",
    noise_draws: NoiseDraws = float("inf"), ridge: Ridge = 0.0,
    d: Dimension = 64, features: Kind = Features.exact, seed: Seed = 0,
    tau_min: TauMin = None, tau_max: TauMax = None, points: Points = 121,
    as_json: Json = False, out: Out = None, no_plot: NoPlot = False, overwrite: Overwrite = False,
) -> None:  # fmt: skip
    """Draw one instance at dimension d, train it by exact gradient flow, and set it next to the theory."""
    import rfscore as rf
    import rfscore.finite as model

    problem = _problem(psi_n, psi_p, t, covariance, activation, noise_draws, ridge)
    tau = _grid(problem, tau_min, tau_max, points)
    flow = model.draw(problem, d, seed, features.value).gradient_flow()
    run, theory = flow.loss_curves(tau), rf.loss_curves(problem, tau)
    times = _observed(tau, run)
    result = {
        "problem": problem, "d": d, "seed": seed, "features": features.value, "error_bound": flow.instance.error_bound,
        "tau": tau, "train": run.train, "test": run.test, "score_error": run.score_error, "theory_train": theory.train,
        "theory_test": theory.test, "eigenvalues": flow.eigenvalues, **times,
    }  # fmt: skip

    def dataset() -> Any:
        return run.to_xarray().assign(theory_train=("tau", theory.train), theory_test=("tau", theory.test),
                                      eigenvalues=("mode", flow.eigenvalues))  # fmt: skip

    def picture() -> Any:
        import numpy as np

        from rfscore import plotting

        figure, axes = plotting.panels(width=4.6, height=3.2)
        inner, some = slice(1, -1), slice(1, -1, max(1, len(tau) // 24))
        none = np.zeros(len(tau[some]))
        plotting.losses(
            axes[0, 0], {psi_n: (tau[inner], theory.train[inner])}, {psi_n: (tau[inner], theory.test[inner])},
            {psi_n: plotting.Points(tau[some], run.train[some], none)},
            {psi_n: plotting.Points(tau[some], run.test[some], none)},
        )  # fmt: skip
        return figure

    def screen() -> None:
        rows = _curve_rows(tau, run.train, theory.train, run.test, theory.test)
        title = f"{flow.instance}, seed {seed}, next to theory: {_title(problem)}"
        show.table(title, ["tau", "training", "theory", "test", "theory"], rows)
        print(_times_line(times))

    show.leave("finite", as_json=as_json, plot=not no_plot, out=out, result=result, problem=problem, dataset=dataset,
               picture=picture, screen=screen, seeds=[seed], overwrite=overwrite)  # fmt: skip


@app.command()
def reproduce(
    full: Full = False, tiny: Tiny = False, data: Data = None, size: Size = None, seed: Seed = 0,
    out: Annotated[Path, typer.Option("--out", help="Folder of the report.")] = Path("rfscore-report"),
    overwrite: Overwrite = False, as_json: Json = False,
) -> None:  # fmt: skip
    """The main job: theory and exact finite size, Gaussian data and real images, one folder with a readable page."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from rfscore.errors import bad
    from rfscore.reproduce import PRESETS
    from rfscore.reproduce import reproduce as run

    if full and tiny:
        raise bad("--full --tiny", "both", "at most one of the two")
    plan = PRESETS["full" if full else "tiny" if tiny else "default"].changed(seed=seed, source=data, size=size)
    columns = (TextColumn("{task.description:<24}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
               TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("starting", total=None)

        def report(stage: str, done: float, total: float) -> None:
            bar.update(task, description=stage, completed=done, total=total)

        page = run(plan, out, overwrite=overwrite, progress=report)
    if as_json:
        show.put_json((page.parent / "numbers.json").read_text(encoding="utf-8"))
    else:
        print(f"report: {page}")

"""The commands of the random-features model. Heavy imports are inside, so that --help is quick."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rfscore.cli import networks, pictures, show
from rfscore.cli.options import (
    Activation,
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
    Pdf,
    Points,
    Population,
    Process,
    PsiN,
    PsiP,
    Ridge,
    Seed,
    Size,
    T,
    Target,
    TauMax,
    TauMin,
    Tiny,
)  # fmt: skip

if TYPE_CHECKING:
    import numpy as np

    import rfscore as rf
    from rfscore.observables import CurveTimes

app = typer.Typer(
    help="Why diffusion models generalise before they memorise, in a solvable model: random features trained by score "
    "matching (Bonnaire et al. 2025). Theory at infinite size, exact training at finite size, and both side by side.",
    pretty_exceptions_enable=False, rich_markup_mode=None,
)  # fmt: skip
app.add_typer(networks.app, name="networks")


def _problem(
    psi_n: float, psi_p: float, t: float, population: str, activation: str, process: str, target: str,
    noise_draws: float, ridge: float,
) -> rf.ScoreProblem:  # fmt: skip
    import rfscore as rf
    from rfscore.model import text

    channel, rho = text.process(process), text.population(population)
    return rf.ScoreProblem(
        psi_n, psi_p, t, rho, activation, process=channel, target=target, noise_draws=noise_draws, ridge=ridge
    )


def _title(problem: rf.ScoreProblem) -> str:
    words = f"psi_n = {problem.psi_n:g}, psi_p = {problem.psi_p:g}, t = {problem.t:g}, {problem.activation.name}"
    for value, usual in ((problem.process, "OU()"), (problem.target, "'score'")):
        words += f", {value!r}" if repr(value) != usual else ""
    several = len(problem.population.classes().fractions)
    words += f", {type(problem.population).__name__} of {several} classes" if several > 1 else ""
    words += f", m = {problem.noise_draws:g}" if problem.noise_draws < float("inf") else ""
    return words + (f", ridge = {problem.ridge:g}" if problem.ridge else "")


def _grid(problem: rf.ScoreProblem, low: float | None, high: float | None, points: int) -> np.ndarray:
    import rfscore as rf
    from rfscore.cli import parse

    everything = rf.training_times(problem, 4)
    return parse.times(low, high, points, (float(everything[1]), float(everything[2])))


def _curve_rows(tau: np.ndarray, *columns: np.ndarray) -> list[list[str]]:
    """About ten times, the first and last among them, one row each."""
    import numpy as np

    pick = np.unique(np.linspace(0, len(tau) - 1, min(12, len(tau))).astype(int))
    return [[f"{tau[i]:.3g}", *(f"{y[i]:.6f}" for y in columns)] for i in pick]


def _times_rows(found: CurveTimes) -> list[list[str]]:
    """tau_opt and tau_half with what they are, or why there is none."""
    words = {
        "tau_opt": "best stopping: the test loss is lowest",
        "tau_half": "after it, test - training loss is half of its final value",
    }
    rows = []
    for name, text in words.items():
        x = getattr(found, name)
        rows.append([name, f"{x.value:.6g}" if x.status == "ok" else "none", x.message or text])
    return rows


@app.command()
def spectrum(
    psi_n: PsiN = 8.0, psi_p: PsiP = 64.0, t: T = 0.01,
    population: Population = "isotropic:1", activation: Activation = "tanh",
    process: Process = "ou", target: Target = "score",
    noise_draws: NoiseDraws = float("inf"), ridge: Ridge = 0.0,
    as_json: Json = False, out: Out = None, no_plot: NoPlot = False, pdf: Pdf = False, overwrite: Overwrite = False,
) -> None:  # fmt: skip
    """Spectrum of the feature covariance U (Theorem 3.1): bulks with exact edges and masses, atom, density."""
    import rfscore as rf

    problem = _problem(psi_n, psi_p, t, population, activation, process, target, noise_draws, ridge)
    spec, co = rf.spectrum(problem), rf.coefficients(problem)
    result = {
        "problem": problem, "edges": spec.edges, "masses": spec.masses, "atoms": spec.atoms,
        "coefficients": {k: getattr(co, k) for k in ("mu1", "a", "b", "v2", "s2")},
    }  # fmt: skip

    def picture() -> Any:
        return pictures.spectrum(spec, _title(problem))

    def screen() -> None:
        rows = [[f"atom at {x:.6g}", "", f"{m:.9f}"] for x, m in spec.atoms]
        rows += [[f"{a:.9g}", f"{b:.9g}", f"{m:.9f}"] for (a, b), m in zip(spec.edges, spec.masses, strict=True)]
        show.table(f"Spectrum of U: {_title(problem)}", ["from", "to", "fraction of eigenvalues"], rows)

    show.leave("spectrum", as_json=as_json, plot=not no_plot, pdf=pdf, out=out, result=result, problem=problem,
               dataset=spec.to_xarray, picture=picture, screen=screen, overwrite=overwrite)  # fmt: skip


@app.command()
def curves(
    psi_n: PsiN = 8.0, psi_p: PsiP = 64.0, t: T = 0.01,
    population: Population = "isotropic:1", activation: Activation = "tanh",
    process: Process = "ou", target: Target = "score",
    noise_draws: NoiseDraws = float("inf"), ridge: Ridge = 0.0,
    tau_min: TauMin = None, tau_max: TauMax = None, points: Points = 121,
    as_json: Json = False, out: Out = None, no_plot: NoPlot = False, pdf: Pdf = False, overwrite: Overwrite = False,
) -> None:  # fmt: skip
    """Training loss, test loss and score error at every training time tau, by theory; tau = 0 and infinity included."""
    import rfscore as rf

    problem = _problem(psi_n, psi_p, t, population, activation, process, target, noise_draws, ridge)
    tau = _grid(problem, tau_min, tau_max, points)
    found = rf.loss_curves(problem, tau)
    times = rf.curve_times(problem)
    error = ("score_error", "score error") if problem.is_score else ("excess", "excess")
    losses = {name: getattr(found, name) for name in ("train", "test", error[0])}
    result = {"problem": problem, "tau": tau, **losses, "tau_opt": times.tau_opt, "tau_half": times.tau_half}

    def picture() -> Any:
        return pictures.curves(tau, found, times, _title(problem))

    def screen() -> None:
        rows = _curve_rows(tau, *losses.values())
        show.table(f"Losses by theory: {_title(problem)}", ["tau", "training", "test", error[1]], rows)
        show.table("Times of the exact curves", ["", "tau", "meaning"], _times_rows(times))

    show.leave("curves", as_json=as_json, plot=not no_plot, pdf=pdf, out=out, result=result, problem=problem,
               dataset=found.to_xarray, picture=picture, screen=screen, overwrite=overwrite)  # fmt: skip


@app.command()
def timescales(
    psi_n: PsiN = 8.0, psi_p: PsiP = 64.0, t: T = 0.01,
    population: Population = "isotropic:1", activation: Activation = "tanh",
    process: Process = "ou", target: Target = "score",
    noise_draws: NoiseDraws = float("inf"), ridge: Ridge = 0.0,
    as_json: Json = False, out: Out = None, no_plot: NoPlot = False, pdf: Pdf = False, overwrite: Overwrite = False,
) -> None:  # fmt: skip
    """Time scales of the spectrum, and the times of the exact curves: tau_opt (best stopping), tau_half (half gap)."""
    import rfscore as rf

    problem = _problem(psi_n, psi_p, t, population, activation, process, target, noise_draws, ridge)
    scales = rf.timescales(problem)
    predicted = {f.name: float(getattr(scales, f.name)) for f in dataclasses.fields(scales)}
    found = rf.curve_times(problem)
    result = {"problem": problem, "spectrum": predicted, "tau_opt": found.tau_opt, "tau_half": found.tau_half}

    def dataset() -> Any:
        import xarray as xr

        values = {**predicted, "tau_opt": found.tau_opt.value, "tau_half": found.tau_half.value}
        return xr.Dataset({name: ((), value) for name, value in values.items()})

    def picture() -> Any:
        return pictures.timescales(problem, _title(problem))

    def screen() -> None:
        clock = "Delta_t" if problem.is_score else "gain^2"
        words = {
            "tau_gen_scale": f"1/{clock}", "tau_mem_edge": f"psi_p/({clock} lambda_min), left edge of the sample bulk",
            "tau_mem_law": "the same with the large-psi edge of Theorem 3.2",
            "tau_last_edge": f"psi_p/({clock} lambda_lowest), left edge of the lowest bulk",
            "lambda_min": "exact left edge of the sample bulk", "lambda_lowest": "exact left edge of the lowest bulk",
            "lambda_min_law": "s2 + v2 (1 - sqrt(psi_p/psi_n))^2",
        }  # fmt: skip
        rows = [[name, f"{predicted[name]:.6g}", text] for name, text in words.items()]
        show.table(f"Scales of the spectrum: {_title(problem)}", ["", "value", "meaning"], rows)
        show.table("Times of the exact curves", ["", "tau", "meaning"], _times_rows(found))

    show.leave("timescales", as_json=as_json, plot=not no_plot, pdf=pdf, out=out, result=result, problem=problem,
               dataset=dataset, picture=picture, screen=screen, overwrite=overwrite)  # fmt: skip


@app.command()
def finite(
    psi_n: PsiN = 8.0, psi_p: PsiP = 64.0, t: T = 0.01,
    population: Population = "isotropic:1", activation: Activation = "tanh",
    process: Process = "ou", target: Target = "score",
    noise_draws: NoiseDraws = float("inf"), ridge: Ridge = 0.0,
    d: Dimension = 50, features: Kind = Features.exact, seed: Seed = 0,
    tau_min: TauMin = None, tau_max: TauMax = None, points: Points = 121,
    as_json: Json = False, out: Out = None, no_plot: NoPlot = False, pdf: Pdf = False, overwrite: Overwrite = False,
) -> None:  # fmt: skip
    """Draw one instance at dimension d, train it by exact gradient flow, and set it next to the theory."""
    import rfscore as rf
    import rfscore.finite as model

    problem = _problem(psi_n, psi_p, t, population, activation, process, target, noise_draws, ridge)
    tau = _grid(problem, tau_min, tau_max, points)
    flow = model.draw(problem, d, seed, features.value).gradient_flow()
    run, theory = flow.loss_curves(tau), rf.loss_curves(problem, tau)
    times = model.curve_times(flow)
    result = {
        "problem": problem, "d": d, "seed": seed, "features": features.value, "error_bound": flow.instance.error_bound,
        "tau": tau, "train": run.train, "test": run.test, "excess": run.excess, "score_error": run.score_error,
        "theory_train": theory.train,
        "theory_test": theory.test, "eigenvalues": flow.eigenvalues, "tau_opt": times.tau_opt,
        "tau_half": times.tau_half,
    }  # fmt: skip

    def dataset() -> Any:
        return run.to_xarray().assign(theory_train=("tau", theory.train), theory_test=("tau", theory.test),
                                      eigenvalues=("mode", flow.eigenvalues))  # fmt: skip

    def picture() -> Any:
        return pictures.finite(
            tau, theory, run, f"{_title(problem)}\nd = {d}, n = {flow.instance.n}, p = {flow.instance.p}, seed {seed}"
        )

    def screen() -> None:
        rows = _curve_rows(tau, run.train, theory.train, run.test, theory.test)
        title = f"{flow.instance}, seed {seed}, next to theory: {_title(problem)}"
        show.table(title, ["tau", "training", "theory", "test", "theory"], rows)
        show.table("Times of this instance's exact curves", ["", "tau", "meaning"], _times_rows(times))

    show.leave("finite", as_json=as_json, plot=not no_plot, pdf=pdf, out=out, result=result, problem=problem,
               dataset=dataset, picture=picture, screen=screen, seeds=[seed], overwrite=overwrite)  # fmt: skip


@app.command()
def reproduce(
    full: Full = False, tiny: Tiny = False, data: Data = None, size: Size = None, seed: Seed = 0,
    out: Annotated[Path, typer.Option("--out", help="Folder of the report.")] = Path("rfscore-report"),
    overwrite: Overwrite = False, as_json: Json = False,
) -> None:  # fmt: skip
    """The main job: theory and exact finite size, Gaussian data and real images, one folder with a readable page.

    Measured: 200 s of one core, --tiny 60 s; --full an estimated 50 minutes. About half of that on two free cores.
    """
    from rfscore.cli.progress import bar
    from rfscore.errors import bad
    from rfscore.reproduce import PRESETS
    from rfscore.reproduce import reproduce as run

    if full and tiny:
        raise bad("--full --tiny", "both", "at most one of the two")
    plan = PRESETS["full" if full else "tiny" if tiny else "default"].changed(seed=seed, source=data, size=size)
    with bar("reading the images") as now:
        folder = run(plan, out, overwrite=overwrite, progress=lambda stage, done, of: now.to(done, of, stage))
    if as_json:
        show.put_json((folder.path / "numbers.json").read_text(encoding="utf-8"))
    else:
        print(show.written(folder))
        print(f"read {folder.path / 'report.html'}")

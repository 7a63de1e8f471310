"""The comparison of runs: known exponents come back inside their intervals, and what is not known is said."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from rfscore import observables
from rfscore.errors import InputError
from rfscore.runs.compare import compare, table, to_plain
from rfscore.runs.figures import figure
from rfscore.runs.load import load_run
from rfscore.runs.readings import read_times
from rfscore.runs.report import compare_runs, fit_sentence
from rfscore.runs.scaling import Fit, fit_scaling, horizontal_spread, slopes_by_width
from rfscore.runs.summary import RunSummary

CHANCE = 0.002


def f_mem(tau, n, width, rate=300.0):
    """Memorised fraction of a network with tau_mem ~ n/W."""
    return CHANCE + 0.9 / (1 + (32 * rate * n / (width * np.maximum(tau, 1e-9))) ** 2.5)


def run(n, width=32, *, samples=2000, last=4e6, seed=0, noise=True, facts=None):
    """A run with f_mem and losses of known times; tau_gen does not depend on n."""
    rng = np.random.default_rng([n, width, seed])
    tau = np.append(0.0, np.geomspace(250.0, last, 36))
    true = f_mem(tau, n, width)
    measured = rng.binomial(samples, true) / samples if noise else true
    x = np.log(np.maximum(tau, 1.0) / 1e4)
    rise = 0.2 / (1 + (3000 * n / np.maximum(tau, 1.0)) ** 2)
    error = 1e-3 * noise
    test = 0.3 + 0.01 * np.minimum(x, 3) ** 2 + rise + error * rng.standard_normal(tau.size)
    train = 0.3 + 0.01 * np.minimum(x, 0) ** 2 - rise + error * rng.standard_normal(tau.size)
    known = {"chance_level": CHANCE, "samples": samples, "loss_error": {"train_loss": 1e-3, "test_loss": 1e-3}}
    columns = {"f_mem": measured, "train_loss": train, "test_loss": test}
    return RunSummary(f"n{n}-W{width}", n, width, tau, columns, known | (facts or {}))


@pytest.fixture(scope="module")
def grid():
    return compare([run(n, w) for w in (16, 32) for n in (128, 512, 2048)], prediction=False, resamples=500)


def test_known_exponents_come_back_inside_their_intervals(grid):
    fit = grid.fits["tau_onset"]
    assert (fit.used, fit.left_out) == (6, 0)
    for name in ("gamma", "beta"):
        low, high = getattr(fit, f"{name}_interval")
        assert low < 1 < high and high - low < 0.2
        assert abs(getattr(fit, name) - 1) < 4 * getattr(fit, f"{name}_error") + 0.02
    assert abs(grid.fits["tau_opt"].gamma) < 0.1
    assert all(np.all(np.abs(x.slope - 1) < 0.15) for x in grid.slopes.values())


def test_f_mem_collapses_against_tau_w_over_n(grid):
    assert grid.spread["tau W/n"] < 1.1 < grid.spread["tau/n"] < grid.spread["tau"]


def test_times_are_those_of_observables_and_every_draw_counts(grid):
    x = grid.runs[0]
    tau, measured = x.run.curve("f_mem")
    expected = observables.onset(tau, measured, CHANCE + 0.05)
    assert x.times["tau_onset"].observable == expected
    low, high = x.times["tau_onset"].interval
    assert low < expected.value < high
    assert x.times["tau_onset"].draws.shape == (500,)
    half = observables.tau_half(tau, x.run.columns["train_loss"], x.run.columns["test_loss"])
    assert x.times["tau_half"].observable == half


def test_intervals_of_tau_mem_cover_the_truth_as_often_as_they_say():
    tau = run(512).tau
    truth = observables.onset(tau, f_mem(tau, 512, 32), CHANCE + 0.05).value
    trials, hits = 50, 0
    for seed in range(trials):
        whole = run(512, seed=seed)
        only = replace(whole, columns={name: whole.columns[name] for name in ("f_mem", "test_loss")})
        low, high = read_times(only, resamples=500, seed=seed).times["tau_onset"].interval
        hits += low <= truth <= high
    # Four standard errors of a frequency 0.95; the interval is not shorter than it says.
    assert hits / trials > 0.95 - 4 * math.sqrt(0.95 * 0.05 / trials)


def test_intervals_of_exponents_cover_the_truth():
    rng = np.random.default_rng(1)
    n = np.repeat([256.0, 1024.0, 4096.0], 2)
    width = np.tile([16.0, 64.0], 3)
    hits = np.zeros(2)
    trials = 60
    for _ in range(trials):
        log_tau = np.log(300 * n**1.1 / width**0.8) + 0.1 * rng.standard_normal(6)
        draws = np.exp(log_tau + 0.1 * rng.standard_normal((500, 6)))
        fit = fit_scaling(n, width, np.exp(log_tau), draws)
        hits += [fit.gamma_interval[0] < 1.1 < fit.gamma_interval[1], fit.beta_interval[0] < 0.8 < fit.beta_interval[1]]
    assert np.all(np.abs(hits / trials - 0.95) < 4 * math.sqrt(0.95 * 0.05 / trials))


def test_runs_that_never_memorise_are_bounds_and_are_left_out():
    runs = [run(n, last=4e5) for n in (128, 256, 512)] + [run(65536, last=4e5)]
    found = compare(runs, prediction=False, resamples=500)
    reading = found.runs[-1].times["tau_onset"]
    assert reading.observable.status == "censored" and reading.text == "> 4e5"
    assert reading.censored == 1.0
    fit = found.fits["tau_onset"]
    assert (fit.used, fit.left_out) == (3, 1) and "left out" in fit.message
    assert abs(fit.gamma - 1) < 0.15
    assert "> 4e5" in table(found).rows[-1]


def test_censored_resamples_open_the_interval():
    # The level is reached at the last step only, by little: part of the resampled curves does not reach it.
    tau = np.geomspace(1.0, 1e4, 9)
    f = np.append(np.zeros(8), 0.055)
    only = RunSummary("edge", 64, 8, tau, {"f_mem": f, "test_loss": np.log(tau / 50) ** 2}, {"samples": 400})
    reading = read_times(only).times["tau_onset"]
    assert reading.observable.status == "ok" and reading.interval[1] == math.inf
    assert 0.05 < reading.censored < 0.7
    assert any("resampled curves have no such time" in note for note in read_times(only).notes)


def test_times_passed_before_the_first_step_are_upper_bounds():
    tau = np.geomspace(10.0, 1e3, 5)
    only = RunSummary("late", 64, 8, tau, {"f_mem": np.full(5, 0.5), "test_loss": np.log(tau / 100) ** 2}, {})
    assert read_times(only).times["tau_onset"].text == "< 10"


def test_one_run_has_times_but_no_exponents():
    found = compare([run(512)], prediction=False, resamples=500)
    assert found.runs[0].times["tau_onset"].observable.status == "ok"
    assert all(math.isnan(fit.gamma) and fit.message for fit in found.fits.values())
    assert found.slopes == {} and math.isnan(found.spread["tau/n"])


def test_missing_curves_are_undefined_but_the_quality_must_be_there():
    whole = run(512)
    bare = replace(whole, columns={"test_loss": whole.columns["test_loss"]})
    times = compare([bare], prediction=False).runs[0].times
    assert times["tau_onset"].observable.status == times["tau_half"].observable.status == "undefined"
    assert "f_mem not measured" in times["tau_onset"].observable.message
    with pytest.raises(InputError, match=r"quality = 'frechet'.*\['test_loss'\].*one definition for all runs"):
        compare([whole], quality="frechet", prediction=False)


@pytest.mark.parametrize("wrong", [{"quality": "fid"}, {"threshold": 0.0}, {"threshold": 5.0}, {"resamples": 10}])
def test_bad_options_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        compare([run(512)], prediction=False, **wrong)


def test_bad_lists_of_runs_are_refused():
    with pytest.raises(InputError, match="at least one run"):
        compare([], prediction=False)
    with pytest.raises(InputError, match="given twice"):
        compare([run(512), run(512)], prediction=False)
    with pytest.raises(InputError, match="error of 'test_loss'"):
        compare([run(512, facts={"loss_error": [0.1, 0.2]})], prediction=False)


def test_unknown_errors_give_no_interval():
    bare = run(512, facts={"samples": None, "loss_error": None})
    for reading in compare([bare], prediction=False).runs[0].times.values():
        assert reading.draws.size == 0 and math.isnan(reading.interval[0]) and "[" not in reading.text


def test_a_gap_that_still_grows_is_noted():
    found = compare([run(64), run(2048)], prediction=False, resamples=500)
    assert [x.gap_grows for x in found.runs] == [False, True]
    assert any(note.startswith("n2048-W32: test - train loss still grows") for note in found.notes)


def test_fit_without_information_says_so():
    n, width = np.array([256.0, 512.0]), np.array([16.0, 32.0])
    assert "change together" in fit_scaling(n, width, n).message
    assert math.isnan(fit_scaling(n, np.zeros(2), n).beta) and fit_scaling(n, np.zeros(2), n).gamma == pytest.approx(1)
    assert "no exponent" in fit_sentence("τ_mem", Fit(message="fewer than two sizes"))


def test_local_slopes_average_seeds_and_skip_what_is_censored():
    n, width = np.array([100.0, 100.0, 200.0, 400.0]), np.full(4, 8.0)
    slopes = slopes_by_width(n, width, np.array([1.0, 4.0, 4.0, np.nan]))
    assert slopes[8].slope[0] == pytest.approx(1.0) and math.isnan(slopes[8].slope[1])


def test_spread_is_nan_when_fewer_than_two_curves_rise():
    x = np.geomspace(1, 100, 9)
    assert math.isnan(horizontal_spread([(x, np.zeros(9)), (x, np.linspace(0, 1, 9))], 0.05))


def test_runs_load_from_folder_and_file(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    file = run(512).save(folder / "summary.json")
    assert load_run(folder).name == load_run(str(file)).name == "n512-W32"
    with pytest.raises(InputError, match=r"expected a folder with summary\.json"):
        load_run(tmp_path / "none")


def test_report_with_the_random_features_model(tmp_path):
    facts = {"covariance_eigenvalues": [3.0, 2.0, 1.0, 0.5], "parameters": 64, "t_loss": 0.1}
    paths = []
    for n in (128, 512):
        (tmp_path / str(n)).mkdir()
        run(n, facts=facts if n == 128 else {}).save(tmp_path / str(n) / "summary.json")
        paths.append(tmp_path / str(n))
    found = compare_runs(paths, tmp_path / "out", resamples=500)
    model = found.predictions[0]
    assert model is not None and (model.psi_n, model.psi_p, model.clipped) == (32.0, 4.0, False)
    assert model.tau_opt.status == model.tau_half.status == "ok" and model.ratio > 1
    assert found.predictions[1] is None and any("covariance_eigenvalues" in note for note in found.notes)
    names = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*")}
    assert names >= {"comparison.json", "comparison.md", "figures/comparison.png", "figures/comparison.pdf"}
    plain = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert plain == to_plain(found) and plain["runs"][0]["random_features"]["psi_n"] == 32.0
    text = (tmp_path / "out" / "comparison.md").read_text()
    assert "units of τ differ" in text and "ψ_p = parameters/d^2" in text and "nan" not in text.lower()


def test_the_figure_has_the_theory_beside_the_runs_until_its_own_split():
    facts = {"covariance_eigenvalues": [3.0, 2.0, 1.0, 0.5], "parameters": 64, "t_loss": 0.1}
    found = compare([run(128, facts=facts), run(512)], resamples=500)
    model = found.predictions[0]
    assert model is not None and found.predictions[1] is None
    gap = figure(found).axes[4]
    assert gap.get_title(loc="left").startswith("(e)") and gap.get_xlabel() == r"$\tau/\tau_{\rm opt}$"
    theory = [line for line in gap.lines if line.get_linewidth() == 4.0 and len(line.get_xdata()) > 2]
    assert len(theory) == 1
    x, y = theory[0].get_data()
    # Half of the gap is at the ratio that the table has as a number.
    assert np.exp(np.interp(0.5, y, np.log(x))) == pytest.approx(model.ratio, rel=0.05)
    assert sum(line.get_marker() not in (None, "None", "") for line in gap.lines) == 2


def test_the_same_seed_gives_the_same_numbers():
    first, again = (to_plain(compare(runs, prediction=False, resamples=500))
                    for runs in ([run(128), run(512)], [run(512), run(128)]))  # fmt: skip
    assert first == again


def test_one_n_and_several_widths_give_beta_alone():
    found = compare([run(256, w) for w in (16, 32, 64)], prediction=False, resamples=500)
    fit = found.fits["tau_onset"]
    assert math.isnan(fit.gamma) and fit.beta_interval[0] < 1 < fit.beta_interval[1]
    assert found.spread["tau W/n"] < 1.1
    assert [ax.get_xlabel() for ax in figure(found).axes[2:4]] == [r"$\tau W/n$", "width $W$"]

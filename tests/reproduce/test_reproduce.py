"""The main job at its smallest preset, end to end, and the parts that turn numbers into a page."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import rfscore as rf
from rfscore.errors import InputError
from rfscore.finite import pool
from rfscore.report import numbers, page
from rfscore.reproduce import PRESETS, laws, real, reproduce, runs

SMALL = replace(
    PRESETS["tiny"],
    spectrum=replace(PRESETS["tiny"].spectrum, d=12),
    real=replace(PRESETS["tiny"].real, psi_p=4.0, size=6, test=100),
    law_psi_p=(4.0, 8.0),
    law_points=4,
    points=41,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One run, with what its progress bar was told."""
    told = []
    path = tmp_path_factory.mktemp("job") / "report"
    reproduce(SMALL, path, progress=lambda *step: told.append(step))
    return path, told


def test_the_folder_holds_page_figures_numbers_and_manifest(folder):
    path, _ = folder
    names = {str(p.relative_to(path)) for p in path.rglob("*") if p.is_file()}
    figures = ["bulks", "losses", "real-losses", "real-spectrum", "spectrum-psi_n-2", "times"]
    assert names == {"manifest.json", "numbers.json", "results.nc", "report.html", "report.md"} | {
        f"figures/{name}.{suffix}" for name in figures for suffix in ("pdf", "png")
    }
    facts = json.loads((path / "manifest.json").read_text())
    assert facts["status"] == "complete" and facts["seeds"]["seed"] == 0 and facts["data"]["name"] == "digits"
    assert facts["problem"]["kind"] == "Plan" and len(facts["data"]["sha256"]) == 64


def test_the_page_stands_alone_and_says_no_nan(folder):
    path, _ = folder
    html = (path / "report.html").read_text(encoding="utf-8")
    assert html.count('<img src="data:image/png;base64,') == 6 + 15  # and the panels of five of them
    assert not re.search(r'src="(?!data:)|href="(?!#|https://arxiv.org/)', html) and "<script" not in html
    text = re.sub(r'src="[^"]*"', "", html)
    assert not re.search(r"\b(nan|NaN|None|inf)\b", text)
    for name in re.findall(r"\]\((figures/[^)]*)\)", (path / "report.md").read_text()):
        assert (path / name).exists()


def test_the_bar_ends_full_and_never_runs_backwards(folder):
    _, told = folder
    done = [step[1] for step in told]
    assert done == sorted(done) and told[-1][1] == pytest.approx(told[-1][2])
    assert {step[0] for step in told} >= {"spectra", "exact training", "real images", "report"}


def test_the_data_set_holds_the_theory_and_the_runs(folder):
    path, _ = folder
    data = xr.load_dataset(path / "results.nc", engine="h5netcdf")
    case = SMALL.curves
    problem = rf.ScoreProblem(case.psi_n[1], case.psi_p, case.t)
    expected = rf.loss_curves(problem, data.tau.values)
    np.testing.assert_allclose(data.theory_test.sel(psi_n=case.psi_n[1]), expected.test, rtol=1e-10)
    one = rf.finite.draw(problem, case.d, runs.seed_of(0, 2, 1, case.d, 0)).gradient_flow().loss_curves(data.tau.values)
    np.testing.assert_allclose(data.finite_test.sel(psi_n=case.psi_n[1])[0], one.test, rtol=1e-9)
    split = data.sel(psi_n=case.split)
    np.testing.assert_allclose(data.finite_bulk_test.sum("bulk"), split.finite_test - 1, atol=1e-9)
    np.testing.assert_allclose(data.theory_bulk_train.sum("bulk"), split.theory_train - 1, atol=1e-7)


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others():
    plan = replace(SMALL, curves=replace(SMALL.curves, psi_n=(2.0,), d=8), points=21)
    found = [runs.curves(p, lambda *_: None)[1][0].runs.test for p in (plan, plan, replace(plan, seed=1))]
    assert np.array_equal(found[0], found[1]) and not np.allclose(found[0], found[2])


def test_differences_from_theory_shrink_with_d(folder):
    path, _ = folder
    numbers = json.loads((path / "numbers.json").read_text())
    full, half = (np.mean([a[k] for a in numbers["agreement"]]) for k in ("test_relative", "half_test_relative"))
    assert 1.2 * full < half


def test_a_data_set_too_small_is_refused_with_the_remedy():
    with pytest.raises(InputError, match=r"at least .* images; shrink them"):
        real.sizes(SMALL, d=64, count=150)


@pytest.mark.parametrize(("d", "psi_p"), [(16, 16.0), (256, 8.0), (1024, 2.0)])
def test_psi_p_is_lowered_until_p_fits(d, psi_p):
    assert real.sizes(PRESETS["default"], d, 30_000).psi_p == psi_p


def test_pool_keeps_the_order_and_reports_every_task():
    seen = []
    assert pool.each(lambda x: x * x, range(20), 10, seen.append) == [x * x for x in range(20)]
    assert sorted(seen) == list(range(20))


def test_the_range_of_proportionality_is_the_longest_stretch_near_one():
    psi_n = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    slope = np.array([1.4, 1.1, 0.95, 0.86, 0.5])
    law = laws.Law(32.0, psi_n, np.ones(6), np.sqrt(psi_n[1:] * psi_n[:-1]), slope)
    assert law.proportional() == (2.0, 16.0)
    assert replace(law, slope=slope - 1.0).proportional() is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1.0, "1.00"), (0.99999, "1.00"), (99999.0, "1.00·10^5"), (-0.0123456, "-0.0123"),
     (2.5e-7, "2.50·10^-7"), (np.inf, "∞"), (np.nan, "–")],
)  # fmt: skip
def test_numbers_are_short(value, text):
    assert numbers.num(value) == text


def test_runs_without_a_time_are_counted_not_hidden():
    assert numbers.spread(np.array([1.0, 3.0, np.nan])) == "2.00 ± 1.0 (2 of 3 runs)"
    assert numbers.spread(np.array([np.nan])) == "none"


def test_html_escapes_text_and_sets_subscripts():
    text = page.to_html("a < b", "", [page.Paragraph("τ_mem ~ 10^-3 <script>"), page.Bullets(["x & y"])])
    assert "a &lt; b" in text and "τ<sub>mem</sub> ~ 10<sup>−3</sup> &lt;script&gt;" in text and "x &amp; y" in text


def test_markdown_tables_keep_their_columns():
    table = page.Table(["", "a|b"], [["x", "1"]], "caption")
    assert page.to_markdown("t", "m", [table]).splitlines()[-3:] == ["|  | a\\|b |", "| --- | ---: |", "| x | 1 |"]


def test_the_page_names_the_paper_and_explains_symbols_before_it_uses_them(folder):
    html = (folder[0] / "report.html").read_text(encoding="utf-8")
    assert 'href="https://arxiv.org/abs/2505.17638"' in html and f"rfscore {rf.__version__}" in html
    text = re.sub(r"<style>.*?</style>|<[^>]+>", "", html, flags=re.S)
    first = text.index("Symbols.")
    for symbol in ("τopt", "τhalf", "λmin", "ψn", "Δt", "γ"):
        assert text.index(symbol) > first
    assert re.search(r"local exponent is \S+ for ψp = 4 and \S+ for ψp = 8", text)


def test_captions_are_outside_the_scroll_boxes_and_panels_stack(folder):
    html = (folder[0] / "report.html").read_text(encoding="utf-8")
    assert "<caption" not in html and not re.search(r"<div class=scroll[^>]*>(?:(?!</div>).)*<figcaption", html, re.S)
    stacked = re.findall(r"<div class=narrow>(.*?)</div>", html, re.S)
    assert [part.count("<img") for part in stacked] == [4, 4, 2, 2, 3]


def test_ascii_names_of_symbols_are_set_and_names_of_code_are_not():
    assert page.inline("psi_n, tau_mem") == "ψ<sub>n</sub>, τ<sub>mem</sub>"
    assert page.inline("tau_mem_edge, mixture_classes") == "tau_mem_edge, mixture_classes"
    assert page.inline("[a](https://b.c) [d](javascript:e)") == '<a href="https://b.c">a</a> [d](javascript:e)'


def test_the_local_exponents_are_on_the_grid_itself():
    found = laws.laws(replace(SMALL, law_psi_p=(4.0,), law_points=3), lambda *_: None)
    np.testing.assert_array_equal(found[0].psi_n, [1.0, 2.0, 4.0])
    assert np.all(np.isfinite(found[0].tau_half))

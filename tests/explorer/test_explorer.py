"""The explorer: its answers are those of the library or a sentence; the page works in a browser, by keyboard alone."""

from __future__ import annotations

import importlib.util
import time

import numpy as np
import pytest

import rfscore as rf
from rfscore.errors import InputError
from rfscore.explorer import answers, serve
from rfscore.explorer.page import Page
from rfscore.explorer.state import State, read
from rfscore.explorer.worker import Worker
from tests.explorer import browser

WORDS = "psi_n=2&psi_p=6&t=0.1"
STATE = State(psi_n=2.0, psi_p=6.0, t=0.1)


def _ended(worker):
    """Closed, and its last piece finished: a thread in compiled code would outlive the interpreter."""
    worker.close()
    worker.thread.join(120)


def test_curves_spectrum_and_times_are_those_of_the_library():
    problem = rf.ScoreProblem(2.0, 6.0, 0.1)
    piece = answers.losses(STATE)
    exact = rf.loss_curves(problem, answers.TAU[::20])
    np.testing.assert_allclose(piece.columns["test"][::20], exact.test, rtol=1e-6)
    shown = answers.spectrum(STATE).columns
    spec = rf.spectrum(problem)
    np.testing.assert_allclose(shown["height"][7], shown["lam"][7] * spec.density(shown["lam"][7]), rtol=1e-9)
    assert answers.times(STATE).numbers["tau_opt"] == pytest.approx(rf.curve_times(problem).tau_opt.value)


@pytest.mark.parametrize("psi_n", [0.1, 1000.0])
@pytest.mark.parametrize("psi_p", [0.1, 1000.0])
@pytest.mark.parametrize("t", [1e-3, 3.0])
def test_at_the_ends_of_the_sliders_there_are_numbers_or_a_sentence(psi_n, psi_p, t):
    for what in (answers.losses, answers.times, answers.spectrum):
        piece = answers.asked(what, State(psi_n=psi_n, psi_p=psi_p, t=t))
        assert piece.message or all(np.isfinite(v).all() for v in piece.columns.values() if v.dtype.kind == "f")
        assert piece.columns or piece.numbers or piece.message.endswith(".")


def test_a_refusal_is_a_sentence_and_brings_no_number():
    piece = answers.asked(answers.times, State(psi_n=2.0, psi_p=8.0, t=0.1, m=4.0))  # the peak psi_p = m psi_n
    assert not piece.columns and not piece.numbers and piece.message.endswith(".") and "ridge" in piece.message
    assert "at most" in answers.network(State(psi_p=1000.0), 30, 0).message


def test_a_link_keeps_the_state_and_refuses_what_it_does_not_know():
    state = State(psi_n=3.0, m=2.0, ridge=0.1, activation="erf", spread=0.4)
    assert read(state.query()) == state
    assert read(f"http://127.0.0.1:1/token?{state.query()}") == state
    for words in ("psi_q=3", "psi_n=many", "activation=none", "spread=1.5"):
        with pytest.raises(InputError, match="expected"):
            read(words)


@pytest.mark.parametrize("state", [State(), State(m=2.0, ridge=0.01, activation="relu"), State(spread=0.3, t=0.5)])
def test_the_python_lines_make_the_problem(state):
    names: dict = {}
    exec("\n".join(state.python().splitlines()[:3]), names)
    assert repr(names["problem"]) == repr(state.problem())


def test_only_the_newest_wish_is_answered_in_full():
    shown: list[tuple[State, str]] = []
    worker = Worker(lambda state, name, piece: shown.append((state, name)))
    answers.losses(STATE)
    last = State(psi_n=3.0, psi_p=6.0, t=0.1)
    for psi_n in (2.0, 2.2, 2.4, 2.6, 3.0):
        worker.ask(State(psi_n=psi_n, psi_p=6.0, t=0.1))
    end = time.time() + 60
    while (last, "times") not in shown and time.time() < end:
        time.sleep(0.02)
    _ended(worker)
    assert [name for state, name in shown if state == last][:3] == ["losses", "spectrum", "times"]
    assert len({state for state, _ in shown}) < 5


def test_an_old_answer_is_not_shown_and_a_refused_one_clears_its_picture():
    from bokeh.document import Document

    page = Page(Document(), STATE)
    _ended(page.worker)
    curve = answers.losses(STATE)
    page._show(STATE, "losses", curve)
    assert len(page.pictures.source["losses"].data["tau"]) == len(answers.TAU)
    page._show(State(), "losses", answers.Piece(message="An old one."))
    assert len(page.pictures.source["losses"].data["tau"]) == len(answers.TAU) and "An old one." not in page.says.text
    page._show(STATE, "losses", answers.Piece(message="Refused."))
    assert len(page.pictures.source["losses"].data["tau"]) == 0 and "Refused." in page.says.text


def test_only_this_machine_is_served_and_the_address_cannot_be_guessed():
    server, address = serve()
    try:
        assert address.startswith("http://127.0.0.1:") and len(address.rpartition("/")[2]) >= 20
        assert serve()[1] != address
    finally:
        server.stop()


needs_a_browser = pytest.mark.skipif(
    browser.chromium() is None or importlib.util.find_spec("playwright") is None,
    reason="needs Chromium and `pip install playwright`",
)


@pytest.mark.slow
@needs_a_browser
def test_every_knob_moves_by_keyboard_in_a_browser_and_nothing_leaves_this_machine(tmp_path):
    with browser.served("--at", WORDS) as address, browser.opened(address) as (page, wrong):
        browser.answered(page)
        for knob in ("psi_n", "psi_p", "t", "m", "ridge", "spread"):
            before = page.evaluate("() => kept.data.query[0]")
            page.locator(f"#knob-{knob} .noUi-handle").focus()
            page.keyboard.press("ArrowLeft" if knob == "m" else "ArrowRight")
            page.wait_for_function("(old) => kept.data.query[0] !== old", arg=before)
            browser.answer(page, "losses")
        assert page.evaluate("() => location.search.slice(1) === kept.data.query[0]")
        page.locator("#knob-activation button").nth(1).press("Enter")
        page.wait_for_function("() => kept.data.query[0].includes('activation=erf')")
        page.get_by_text("Draw a finite network on top").press("Enter")
        browser.answer(page, "network")
        with page.expect_download() as saved:
            page.get_by_text("Save numbers (csv)").press("Enter")
        saved.value.save_as(tmp_path / "numbers.csv")
        with page.expect_download() as saved:
            page.get_by_text("Save pictures (png)").press("Enter")
        saved.value.save_as(tmp_path / "picture.png")
        assert page.context.cookies() == [] and wrong == []
    text = (tmp_path / "numbers.csv").read_text()
    assert "# losses" in text and text.count("\n") > 150
    assert (tmp_path / "picture.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
@needs_a_browser
def test_the_page_fits_a_narrow_screen():
    with (
        browser.served("--at", "psi_n=2&psi_p=6&t=0.1") as address,
        browser.opened(address, 390, 2400) as (page, wrong),
    ):
        browser.answered(page)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 390 and wrong == []


def test_m_of_a_link_that_is_no_stop_of_the_slider_is_shown_at_the_nearest():
    from bokeh.document import Document

    page = Page(Document(), State(m=3.0))
    _ended(page.worker)
    assert page.state.m == 2 ** page.knobs["m"].value == 4.0 and "nearest" in page.messages["link"]
    exact = State(psi_n=3.3, psi_p=17.0, t=0.02, ridge=0.015, m=8.0, spread=0.3)
    page = Page(Document(), exact)
    _ended(page.worker)
    assert page.messages["link"] == ""

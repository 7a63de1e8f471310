"""Known laws come back with intervals that cover as often as they say; what cannot be carried is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from experiments import advise as checked
from rfscore.cli import main
from rfscore.errors import InputError
from rfscore.observables import tau_rise
from rfscore.runs import Monitor, advise
from rfscore.runs.law import Law
from rfscore.runs.summary import RunSummary


def run(n, width=32, *, last=1e6, shift=1.0, facts=None):
    """tau_onset = 77 n 32/W and a test loss that is 10 % above its lowest at a time that grows with n."""
    tau = np.geomspace(100.0, last, 60)
    f_mem = 0.9 / (1 + (32 * 240 * n * shift / (width * tau)) ** 2.5)
    test = 0.3 + 0.01 * np.log(np.minimum(tau, 1e4) / 1e4) ** 2 + 0.3 / (1 + (300 * n * shift / tau) ** 2)
    known = {"chance_level": 0.0, "optimizer": "adam", **(facts or {})}
    return RunSummary(f"n{n}-W{width}", n, width, tau, {"f_mem": f_mem, "test_loss": test}, known)


def truth(n, width=32):
    return 240 * n * 32 / width * (0.05 / 0.85) ** 0.4


def test_a_known_law_is_carried_to_another_size():
    found = advise([run(64), run(128), run(256)], 1024)
    onset = found.times["tau_onset"]
    assert abs(onset.value / truth(1024) - 1) < 0.02 and onset.interval[0] < truth(1024) < onset.interval[1]
    assert abs(onset.gamma[0] - 1) < 0.02 and "3 runs at n = 64, 128, 256" in onset.rests_on
    assert found.safe == min(found.times[name].interval[0] for name in ("tau_rise", "tau_onset"))


def test_width_counts_and_one_run_needs_the_law():
    both = advise([run(64, 16), run(256, 16), run(64, 32)], 256, 64).times["tau_onset"]
    assert abs(both.value / truth(256, 64) - 1) < 0.02
    with pytest.raises(InputError, match=r"two different n.*--law"):
        advise([run(64)], 256)
    with pytest.raises(InputError, match=r"two different W.*--law"):
        advise([run(64), run(128)], 128, 64)
    alone = advise([run(64)], 256, law=True).times["tau_onset"]
    assert abs(alone.value / truth(256) - 1) < 0.01 and "assumed exponent" in alone.rests_on
    wide = advise([run(64), run(128)], 128, 64, law=True).times["tau_onset"]
    assert wide.interval[0] < truth(128, 64) < wide.interval[1]


def test_intervals_cover_as_often_as_they_say():
    rng = np.random.default_rng(0)
    sizes, hits, trials = np.array([64.0, 128.0, 256.0, 512.0]), 0, 400
    for _ in range(trials):
        gamma, log_tau = 1 + 0.2 * rng.standard_normal(), np.zeros(5)
        log_tau = gamma * np.log([*sizes, 1024.0]) + 0.2 * rng.standard_normal(5)
        law = Law("tau_onset", sizes, np.zeros(4), np.exp(log_tau[:4]), np.zeros(4))
        low, high = law.at(1024, 0).interval
        hits += low < np.exp(log_tau[4]) < high
    # The drift of the exponent makes them wider than this world needs, never narrower.
    assert hits / trials > 0.9 - 3 * np.sqrt(0.9 * 0.1 / trials)


def test_images_for_a_budget_are_those_whose_time_it_is():
    runs = [replace(run(n), columns={"f_mem": run(n).columns["f_mem"]}) for n in (64, 128, 256)]
    found = advise(runs, 256, budget=truth(500))
    median, safe = found.images
    assert abs(median / 500 - 1) < 0.03 and safe > median
    assert advise(runs, round(safe)).times["tau_onset"].interval[0] == pytest.approx(truth(500), rel=0.03)
    assert np.isnan(advise(runs, 256, budget=1e9).images).all()


def test_what_does_not_follow_one_law_is_refused_or_said():
    with pytest.raises(InputError, match=r"optimizer of the runs.*adam.*sgd"):
        advise([run(64), run(128, facts={"optimizer": "sgd"})], 256)
    with pytest.raises(InputError, match="have not split"):
        advise([run(64, last=3e3), run(128, last=3e3)], 256)
    with pytest.raises(InputError, match="factor 16"):
        advise([run(64), run(128)], 4096)
    late = advise([run(64), run(128), run(256, shift=100.0)], 512)
    assert any("n256-W32 should have had tau_onset" in note for note in late.notes)
    full = [run(64, facts={"batch": 64}), run(512, facts={"batch": 256}), run(1024, facts={"batch": 256})]
    assert advise(full, 2048).times["tau_onset"].value == pytest.approx(truth(2048), rel=0.02)
    with pytest.raises(InputError, match="batch of the runs"):
        advise([run(512, facts={"batch": 16}), run(1024, facts={"batch": 256})], 2048)


def test_the_rise_of_the_test_loss_does_not_depend_on_the_end_of_the_run():
    tau = np.geomspace(1.0, 1e4, 81)
    test = 1 + 0.1 * np.log10(tau / 10) ** 2
    for stop in (81, 60):
        assert tau_rise(tau[:stop], test[:stop]).value == pytest.approx(100, rel=1e-3)
    assert tau_rise(tau[:20], test[:20]).status == "censored"


def test_the_page_holds_what_the_program_finds():
    text = checked.PAGE.read_text(encoding="utf-8")
    assert checked.table() in text, "run python -m experiments.advise"
    inside = [row.rsplit("|", 2)[1].strip() for row in text.splitlines() if "| tau_" in row and row.count("|") == 8]
    assert len(inside) > 20 and inside.count("missed") <= 2


def test_the_command_answers_in_one_sentence(tmp_path, capsys):
    for n in (64, 128):
        run(n).save(tmp_path / f"{n}.json")
    files = [str(tmp_path / f"{n}.json") for n in (64, 128)]
    with pytest.raises(SystemExit):
        main(["runs", "advise", *files, "--n", "256", "--budget", "1e4"])
    said = capsys.readouterr().out
    assert "safe until step" in said and "images by median" in said and "their exponent of n" in said


def test_the_monitor_says_when_and_why():
    rng = np.random.default_rng(0)
    train, fresh = rng.normal(size=(200, 4, 5)), rng.normal(size=(400, 4, 5))
    monitor = Monitor(train, held_out=fresh[:200])
    assert monitor.update(1, 0.5, 0.5, samples=fresh[200:]).state == "generalising"
    assert monitor.update(2, 0.4, 0.49).state == "generalising"
    split = monitor.update(3, 0.3, 0.56)
    assert split.state == "splitting" and split.best == 2 and "14 % above its lowest, 0.49 at step 2" in split.evidence
    few = monitor.update(4, 0.48, 0.485, samples=np.concatenate([train[:16] + 0.01, fresh[200:], fresh[200:384]]))
    assert few.state == "splitting" and "f_mem = 0.04" in few.evidence  # above chance, by less than the threshold
    assert monitor.update(5, 0.1, 0.9, samples=train[:50] + 0.01).state == "copying"
    for wrong, message in (((5, 0.1, 0.1), "after 5"), ((6, np.nan, 0.1), "diverged")):
        with pytest.raises(InputError, match=message):
            monitor.update(*wrong)
    with pytest.raises(InputError, match=r"Monitor\(train="):
        Monitor().update(1, 0.1, 0.1, samples=fresh)

"""Ctrl-C, as a user presses it: in a process of its own, at several moments."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from rfscore.cli import interrupt

#: A command whose main thread does nothing about the signal, as one in compiled code.
DEAF = """
import signal, sys, time
from rfscore.cli import interrupt
from rfscore.output import RunFolder
interrupt.watch(["reproduce"])
signal.signal(signal.SIGINT, lambda *_: None)
with RunFolder(sys.argv[1]) as run:
    run.text("half.txt", "done")
    print("ready", flush=True)
    time.sleep(60)
"""


def listening() -> None:
    """A suite that runs in the background ignores SIGINT, and what it starts would, too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def press(process):
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    return time.monotonic() - start, err


@pytest.mark.parametrize("seconds", [3.0, 9.0])
def test_reproduce_ends_at_once_with_130_and_nothing_half_written(seconds, tmp_path):
    command = [sys.executable, "-m", "rfscore", "reproduce", "--tiny", "--out", str(tmp_path / "r")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=listening)
    time.sleep(seconds)
    took, err = press(process)
    assert process.returncode == 130 and took < 3.0
    assert err.splitlines()[-1] == "error: interrupted" and "Traceback" not in err
    assert not list(tmp_path.rglob("*.tmp"))
    if (tmp_path / "r" / "manifest.json").exists():
        assert json.loads((tmp_path / "r" / "manifest.json").read_text())["status"] == "failed"


def test_code_that_does_not_listen_is_left_all_the_same(tmp_path):
    command = [sys.executable, "-c", DEAF, str(tmp_path / "r")]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ, preexec_fn=listening
    )
    assert process.stdout.readline() == "ready\n"
    took, err = press(process)
    assert process.returncode == 130 and took < 3.0 and err.endswith("error: interrupted\n")
    manifest = json.loads((tmp_path / "r" / "manifest.json").read_text())
    assert (manifest["status"], manifest["message"]) == ("failed", "interrupted")


@pytest.mark.parametrize(
    ("words", "said"),
    [(["sweep", "--out", "x"], "--resume"), (["networks", "train", "c.toml"], "--resume"),
     (["networks", "measure", "r"], "repeat"), (["curves"], "interrupted")],
)  # fmt: skip
def test_how_to_go_on_is_said(words, said):
    assert said in interrupt.said(words)


def test_a_sweep_keeps_what_it_has_and_says_how_to_go_on(tmp_path):
    store = str(tmp_path / "s")
    asked = ["--model", "finite", "--psi-n", "1:8:60", "--psi-p", "4:12:60", "--t", "0.1", "--d", "16", "--seed", "0"]
    sweep = [sys.executable, "-m", "rfscore", "sweep", *asked, "--out", store, "--workers", "0"]
    process = subprocess.Popen(sweep, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=listening)
    for _ in range(600):  # until something is kept
        time.sleep(0.1)
        if any(file.stat().st_size for file in (tmp_path / "s" / "records").glob("*")):
            break
    took, err = press(process)
    assert process.returncode == 130 and took < 3.0 and "Traceback" not in err
    assert err.endswith("error: interrupted; what is done is kept: continue with --resume\n")
    command = [sys.executable, "-m", "rfscore", "sweep", "status", store, "--json"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert found["counts"]["ok"] + found["counts"]["partial"] > 0 and found["damaged"] == []

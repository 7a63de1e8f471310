"""Runs of trained networks, this package's and anybody's: their curves, their times, and the laws of these."""

from rfscore.runs.advice import Advice as Advice
from rfscore.runs.advice import advise as advise
from rfscore.runs.load import load_run as load_run
from rfscore.runs.load import load_runs as load_runs
from rfscore.runs.monitor import Monitor as Monitor
from rfscore.runs.monitor import Verdict as Verdict
from rfscore.runs.summary import RunSummary as RunSummary

"""Runs of trained networks, this package's and anybody's: their curves, their times, and the laws of these."""

from rfscore.runs.summary import RunSummary as RunSummary

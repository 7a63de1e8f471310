"""Derivations that run: D01 ... D09 each derive one block of formulas, assert it and write its mathematics."""

"""Derivations that run: each script D01 ... D09 derives one block of formulas, asserts it, and writes its mathematics."""

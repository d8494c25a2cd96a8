"""Sweeps: which settings train best, judged on the validation patients; one process per trial, several workers."""

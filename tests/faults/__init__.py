"""Means to hurt a run from outside, to measure it, and to make the inputs for both."""

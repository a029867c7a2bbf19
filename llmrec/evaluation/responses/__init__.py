"""Evaluate predicted responses: metrics with intervals, plots, a report."""

"""Stacking: trained networks and counting rules scored together, weighed on validation answers."""

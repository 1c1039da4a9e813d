"""Datasets: fetched, verified, prepared once as arrays, and served from the training device."""

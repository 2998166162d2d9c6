"""Sightline's trainer: the package that runs in the pods, and does the work of each pipeline stage."""

"""Shipped recipes: whole runs, one YAML file each, no inheritance."""

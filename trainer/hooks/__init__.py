"""Hooks, one behaviour a file."""

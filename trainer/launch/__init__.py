"""The elastic agent and the ranks that it starts."""

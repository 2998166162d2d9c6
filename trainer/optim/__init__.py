"""Parameter groups, optimiser, schedule and precision."""

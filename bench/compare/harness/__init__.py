"""Runs optimizers on simulated worlds and compares what they reach, how fast and at what cost."""

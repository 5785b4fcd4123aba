"""Estimate what a training step computes and the memory it takes, without allocating any."""

"""Train one run on several devices, with one process, a rank, for each of them.

Rank 0 (`leader.py`) runs the training loop, writes the run and decides everything. It tells the other ranks
(`follower.py`) what to compute next: some training steps, an evaluation, their part of a checkpoint.
"""

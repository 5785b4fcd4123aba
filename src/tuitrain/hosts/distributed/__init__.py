"""Train one run on several devices: processes, their commands and their ends."""

"""Export the network of a run for other programs, with a description of its images and a check of what was written."""

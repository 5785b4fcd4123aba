"""Log the training of a user's own script as a run, in the words of wandb; see docs/log-any-script.md."""

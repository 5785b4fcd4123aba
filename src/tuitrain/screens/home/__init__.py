"""The home screen: the table of all runs."""

"""The screen that classifies pictures."""

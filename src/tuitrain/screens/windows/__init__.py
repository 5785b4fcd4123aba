"""Small modal screens: lists, prompts, questions, help."""

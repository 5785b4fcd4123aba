"""Small modal screens: prompts, questions, help."""

"""Show which parts of an image a prediction depends on."""

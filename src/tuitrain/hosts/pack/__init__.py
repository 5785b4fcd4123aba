"""Pack tuitrain, its dependencies and what a configuration needs, for machines without a network."""

"""Adapters between the logger and other libraries, each in a module that imports the library; see
docs/log-any-script.md."""

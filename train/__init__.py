"""Training scripts; see README.md in this folder."""

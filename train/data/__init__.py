"""One loader per data set, each reading it as its owners distribute it."""

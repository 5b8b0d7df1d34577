"""The published data sets, one a file: where each is, what its rows look like, and how a row becomes an example."""

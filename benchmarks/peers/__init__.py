"""Other tools that send rows of a database to an API, each in an environment of its own."""

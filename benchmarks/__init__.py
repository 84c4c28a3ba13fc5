"""How fast the package is beside its neighbours, measured in one run against one local server."""

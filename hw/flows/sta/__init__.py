"""Static timing from the bits of a configuration: routing as RC trees, cells by the -1 speed grade, setup and hold."""

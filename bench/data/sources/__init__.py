"""Where images come from: a module for each `source:` of a suite, and one for prepared data."""

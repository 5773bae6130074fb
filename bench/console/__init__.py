"""Where commands and workers begin: one package, which is installed a second time, beside `bench`."""

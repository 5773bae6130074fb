"""One module a command, each with `main(options) -> exit code`."""

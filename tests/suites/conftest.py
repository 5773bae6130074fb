from standin import data, roots  # noqa: F401  (fixtures)

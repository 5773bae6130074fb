from tests.suites.standin import data, roots  # noqa: F401  (fixtures)

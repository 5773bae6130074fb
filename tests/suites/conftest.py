from tests.suites.standin_data import data, roots  # noqa: F401  (fixtures)

"""Identities of earlier versions, which had no images in them."""

from bench.data import DataSettings
from bench.results import earlier
from tests.bench.photo_suites import FROM_ANCESTOR, suite, write_photos


def test_earlier_identities_are_those_that_earlier_versions_made(tmp_path):
    """Without the images in it, an identity is what it was: of folders as of the digits."""
    from bench.data import describe
    from bench.plan import make_plan
    from bench.suite import load

    file = suite(tmp_path, write_photos(tmp_path), FROM_ANCESTOR)
    old = make_plan(load(file, look_at=lambda settings: describe(settings, hashed=False)))
    new = make_plan(load(file))
    assert list(earlier.earlier(new).values()) == list(old.jobs) and earlier.earlier(old) == {}
    assert DataSettings.model_validate("digits").fingerprint == "content"

"""Whose word on an image stands."""

from builder.deploy.acceptance import Acceptance, find_acceptance
from tests.unit.records import NOON, make_image


def word(digit: str, by: str, *, accepted: bool = True) -> Acceptance:
    image = make_image(digit)
    return Acceptance(
        at=NOON,
        by=by,
        accepted=accepted,
        release=1,
        image=image,
        digest=image.partition("@")[2],
        config_hash="c" * 64,
    )


DIGEST = word("1", "mia").digest


def test_an_image_is_accepted_by_its_own_digest_alone() -> None:
    assert find_acceptance([word("2", "mia")], DIGEST) is None
    assert find_acceptance([], DIGEST) is None


def test_the_last_word_on_an_image_stands() -> None:
    words = [word("1", "mia"), word("1", "tom"), word("2", "eve", accepted=False)]
    found = find_acceptance(words, DIGEST)
    assert found is not None
    assert found.by == "tom"
    assert find_acceptance([*words, word("1", "mia", accepted=False)], DIGEST) is None
    assert find_acceptance([*words, word("1", "eve", accepted=False), words[0]], DIGEST) == words[0]

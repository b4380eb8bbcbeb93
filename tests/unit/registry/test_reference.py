"""Names of images: read as docker reads them, or refused with the reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.errors import RegistryError
from builder.registry.reference import ImageReference

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("localhost:5000/shop/name:tag@" + DIGEST, "localhost:5000", "shop/name", "tag", DIGEST),
        ("localhost/name", "localhost", "name", None, None),
        ("shop.example/a/b/c:1.0", "shop.example", "a/b/c", "1.0", None),
        ("shop.example:443/a", "shop.example:443", "a", None, None),
        ("[::1]:5000/a/b", "[::1]:5000", "a/b", None, None),
        ("127.0.0.1:5000/a@" + DIGEST, "127.0.0.1:5000", "a", None, DIGEST),
        ("nginx", "docker.io", "library/nginx", None, None),
        ("nginx:1.27", "docker.io", "library/nginx", "1.27", None),
        ("shop/web:v1", "docker.io", "shop/web", "v1", None),
        ("123/web", "docker.io", "123/web", None, None),
        ("docker.io/nginx", "docker.io", "library/nginx", None, None),
        ("index.docker.io/shop/web", "docker.io", "shop/web", None, None),
        ("SHOP/web", "SHOP", "web", None, None),
    ],
)
def test_references_are_read_as_docker_reads_them(
    text: str, registry: str, repository: str, tag: str | None, digest: str | None
) -> None:
    ref = ImageReference.parse(text)
    assert (ref.registry, ref.repository, ref.tag, ref.digest) == (
        registry,
        repository,
        tag,
        digest,
    )
    assert ImageReference.parse(str(ref)) == ref


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "empty", ""),
        ("a b", "white space", ""),
        (" shop.example/a", "white space", ""),
        ("https://shop.example/a", "scheme", "leave out"),
        ("shop.example/Web", "'Web' is not a repository", "lower case"),
        ("shop.example/", "'' is not a repository", ""),
        ("shop.example//a", "not a repository", ""),
        ("shop.example/a:", "'' is not a tag", ""),
        ("shop.example/a:-x", "'-x' is not a tag", "128"),
        ("shop.example/a:" + "x" * 129, "is not a tag", "128"),
        ("shop.example/a@sha256:12", "'sha256:12' is not a digest", "64 hex"),
        ("shop.example/a@", "'' is not a digest", "64 hex"),
        ("shop.example:port/a", "not a host and port", ""),
        ("-shop.example/a", "not a host and port", ""),
        ("shop.example/" + "a" * 250, "255", ""),
    ],
)
def test_what_is_no_reference_is_refused_with_the_reason(
    text: str, message: str, hint: str
) -> None:
    with pytest.raises(RegistryError) as caught:
        ImageReference.parse(text)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.where == repr(text)


@given(st.text(max_size=60))
def test_any_text_is_a_reference_or_a_registry_error(text: str) -> None:
    try:
        ref = ImageReference.parse(text)
    except RegistryError:
        return
    assert ImageReference.parse(str(ref)) == ref


def test_a_reference_is_moved_to_a_tag_or_digest() -> None:
    ref = ImageReference.parse("shop.example/web:v1@" + DIGEST)
    assert str(ref.with_tag("v2")) == "shop.example/web:v2"
    assert str(ref.with_digest(DIGEST)) == "shop.example/web@" + DIGEST
    for wrong in ("", "a b", "../x"):
        with pytest.raises(RegistryError):
            ref.with_tag(wrong)

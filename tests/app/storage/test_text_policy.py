from hashlib import sha256

from app.storage.text_policy import TextPolicy


def test_what_is_kept() -> None:
    digest = sha256(b"hello").hexdigest()
    assert TextPolicy.FULL.kept("hello") == ("hello", digest)
    assert TextPolicy.HASH.kept("hello") == (None, digest)
    assert TextPolicy.OFF.kept("hello") == (None, None)
    assert TextPolicy.HASH.kept("\ud83d")[1] == sha256(b"?").hexdigest()

"""The key-value store of Ray's GCS without Ray: the functions of ray.experimental.internal_kv that are used."""

from types import SimpleNamespace


def fake_gcs() -> SimpleNamespace:
    values: dict[bytes, bytes] = {}

    def put(key: str | bytes, value: str | bytes, overwrite: bool = True) -> bool:
        """Whether the key was there before."""
        there = _bytes(key) in values
        if overwrite or not there:
            values[_bytes(key)] = _bytes(value)
        return there

    return SimpleNamespace(
        values=values,
        _internal_kv_put=put,
        _internal_kv_get=lambda key: values.get(_bytes(key)),
        _internal_kv_del=lambda key: values.pop(_bytes(key), None),
        _internal_kv_list=lambda prefix: [key for key in values if key.startswith(_bytes(prefix))],
    )


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text

import errno
import os
from dataclasses import asdict
from pathlib import Path

import orjson
import pytest

from app.storage.spool import CHUNK_BYTES, MEGABYTE, Spool, SpoolFull
from tests.app.storage.samples import decision, outcome


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    records = [decision("r1"), outcome("r1"), decision("r2", query_text="naïve \0 🎈")]
    spool = Spool(tmp_path, 1.0)
    spool.append(records[:2])
    spool.append(records[2:])
    assert spool.own is not None
    assert list(spool.own.read().records) == records
    spool.close()


def test_a_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    fields = asdict(decision("r1"))
    del fields["client_request_id"]
    (tmp_path / "1-left.jsonl").write_bytes(orjson.dumps({"decision": fields}) + b"\n")
    (file,) = Spool(tmp_path, 1.0).adopt()
    chunk = file.read()
    assert (chunk.records, chunk.broken) == ([decision("r1")], [])
    file.close()


def test_half_a_surrogate_pair_is_replaced(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1.0)
    spool.append([decision("r1", query_text="\ud83d!", features={"x": ["\ud83d"]})])
    assert spool.own is not None
    (read,) = spool.own.read().records
    assert (read, read.features) == (decision("r1", query_text="?!", features={"x": ["?"]}), {"x": ["?"]})
    spool.close()


def test_long_rows_come_back_in_small_chunks(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 20.0)
    spool.append([decision(f"r{i}", query_text="x" * MEGABYTE) for i in range(5)])
    spool.append([decision("longer than a chunk", query_text="x" * 2 * CHUNK_BYTES)])
    assert spool.own is not None
    chunks = []
    while (chunk := spool.own.read()).rows:
        chunks.append([record.request_id for record in chunk.records])
        spool.own.position = chunk.end
    assert chunks == [["r0", "r1"], ["r2", "r3"], ["r4", "longer than a chunk"]]
    spool.close()


def test_the_bound_holds_for_the_folder(tmp_path: Path) -> None:
    first, second = Spool(tmp_path, 0.001), Spool(tmp_path, 0.001)
    first.append([decision("r1")])
    with pytest.raises(SpoolFull, match=f"{tmp_path} holds"):
        second.append([decision("r2")])
    first.close(), second.close()


def test_a_full_disk_leaves_no_half_of_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, 1.0)
    spool.append([decision("r1")])

    def no_space(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", no_space)
        with pytest.raises(SpoolFull, match="No space left on device"):
            spool.append([decision("r2")])
    spool.append([decision("r3")])
    assert spool.own is not None
    assert [record.request_id for record in spool.own.read().records] == ["r1", "r3"]
    spool.close()


def test_an_empty_file_does_not_stay(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1.0)
    spool.append([decision("r1")])
    assert spool.own is not None
    spool.own.empty()
    spool.close()
    assert list(tmp_path.iterdir()) == []

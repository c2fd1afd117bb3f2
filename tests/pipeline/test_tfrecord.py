from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from pipeline.model.problem import DataError
from pipeline.sources.rlds.example import Example
from pipeline.sources.rlds.tfrecord import index_records, read_record
from tests.tfrecord_files import write_records


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    records = [
        {"words": ([b"a", bytes(1000 + i)], "byte"), "number": ([i, -i], "int")} for i in range(5)
    ]
    return write_records(tmp_path / "x.tfrecord", records)


def test_every_record_is_found_and_read(shard: Path) -> None:
    index = index_records(shard)
    assert (len(index), index.broken) == (5, "")
    for number in (4, 0, 2):
        example = Example(read_record(shard, index, number), "x")
        assert example.numbers("number").tolist() == [number, -number]
        assert len(example.texts("words")[1]) == 1000 + number


def test_kinds_of_values(tmp_path: Path) -> None:
    fields = {"f": ([0.5, 1.5, 2.5], "float"), "i": ([1 << 40], "int"), "b": ([b"\xff"], "byte")}
    path = write_records(tmp_path / "x", [fields])
    example = Example(read_record(path, index_records(path), 0), "x")
    assert example.numbers("f").dtype == np.float32
    assert example.numbers("f", 1, 9).tolist() == [1.5, 2.5]
    assert example.numbers("i").tolist() == [1 << 40]
    assert example.numbers("b") is None
    assert list(example.texts("b")) == [b"\xff"]
    # Asking for what is not there must not add it.
    assert example.numbers("missing") is None
    assert list(example.texts("missing")) == []
    assert example.count("missing") == 0
    assert example.keys == {"f", "i", "b"}


def test_a_cut_off_last_record_is_said_and_the_others_stay(shard: Path) -> None:
    data = shard.read_bytes()
    for cut in (1, 5, 700):
        shard.write_bytes(data[:-cut])
        index = index_records(shard)
        assert len(index) == 4
        assert "record 4 is cut off" in index.broken
        assert read_record(shard, index, 3)
        with pytest.raises(DataError, match="record 4 is not there"):
            read_record(shard, index, 4)


def test_truncation_anywhere_never_raises(shard: Path) -> None:
    data = shard.read_bytes()
    for size in range(0, len(data), 97):
        shard.write_bytes(data[:size])
        assert len(index_records(shard)) <= 5


def test_a_flipped_bit_is_noticed(shard: Path) -> None:
    index = index_records(shard)
    data = bytearray(shard.read_bytes())
    data[int(index.offsets[1]) + 500] ^= 1
    shard.write_bytes(data)
    assert read_record(shard, index, 0)
    with pytest.raises(DataError, match="record 1 is damaged") as caught:
        read_record(shard, index, 1)
    assert caught.value.code == "bad_record"


def test_a_wrong_length_is_noticed(shard: Path) -> None:
    index = index_records(shard)
    data = bytearray(shard.read_bytes())
    place = int(index.offsets[2]) - 12
    data[place : place + 8] = struct.pack("<Q", 1 << 62)
    shard.write_bytes(data)
    broken = index_records(shard)
    assert len(broken) == 2
    assert "wrong checksum" in broken.broken


def test_a_compressed_file_is_named_so(shard: Path) -> None:
    shard.write_bytes(gzip.compress(shard.read_bytes()))
    assert "gzip" in index_records(shard).broken


def test_pointers_and_missing_files(tmp_path: Path) -> None:
    path = tmp_path / "x.tfrecord"
    with pytest.raises(DataError, match="not on disk"):
        index_records(path)
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(DataError, match="git lfs pull"):
        index_records(path)


@pytest.mark.parametrize(
    "content", [b"\xff" * 40, b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x03\x0a\x01\x0a"]
)
def test_what_is_no_example_is_one_sentence(content: bytes) -> None:
    with pytest.raises(DataError, match=r"no tf\.train\.Example") as caught:
        Example(content, "record 0")
    assert "\n" not in str(caught.value)


def test_an_empty_example_has_nothing() -> None:
    assert Example(b"", "record 0").keys == frozenset()

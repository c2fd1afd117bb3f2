from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.model.problem import DataError
from pipeline.sources.hdf5 import access as hdf5
from pipeline.sources.hdf5.pictures import depth_scale, is_depth, is_encoded, is_pixels, size_of
from pipeline.sources.name_words import words_of_name


def refused(node, name: str, code: str) -> None:
    with pytest.raises(DataError) as error:
        hdf5.child(node, name)
    assert error.value.code == code


def test_only_the_file_itself_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.hdf5"
    with h5py.File(secret, "w") as file:
        file["a"] = np.arange(3)
    (tmp_path / "raw.bin").write_bytes(bytes(64))
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file["link"] = h5py.ExternalLink(str(secret), "/a")
        file["soft"] = h5py.SoftLink("/link")
        file["nowhere"] = h5py.SoftLink("/gone")
        file["good"] = h5py.SoftLink("/here")
        file["here"] = np.arange(4)
        file.create_dataset("raw", (8,), "f8", external=[(str(tmp_path / "raw.bin"), 0, 64)])
        layout = h5py.VirtualLayout((3,), "i8")
        layout[:] = h5py.VirtualSource(str(secret), "a", (3,))
        file.create_virtual_dataset("virtual", layout)
    with hdf5.open_file(tmp_path / "x.hdf5") as file:
        for name in ("link", "raw", "virtual"):
            refused(file, name, "external_link")
        for name in ("soft", "nowhere"):
            refused(file, name, "bad_hdf5")
        assert hdf5.child(file, "gone") is None
        assert hdf5.child(file, "here/deeper") is None
        assert hdf5.numbers(hdf5.child(file, "good"), "good").tolist() == [0, 1, 2, 3]


def test_declared_sizes_do_not_take_memory(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file.create_dataset("wide", (10**9, 7), "f8", chunks=(1024, 7))
        file.create_dataset(
            "packed", (4,), "u1", maxshape=(None,), chunks=(2**31,), compression="gzip"
        )
        file["words"] = ["a", "b"]
    with hdf5.open_file(tmp_path / "x.hdf5") as file:
        for name in ("wide", "packed", "words"):
            with pytest.raises(DataError, match=name):
                hdf5.numbers(hdf5.child(file, name), name)


def test_damaged_heap_of_texts_does_not_hang(tmp_path: Path) -> None:
    """One flipped bit in a size made the HDF5 library step by nothing for ever."""
    path = tmp_path / "données.hdf5"
    with h5py.File(path, "w") as file:
        file.attrs["first"], file.attrs["second"] = "a" * 9, "b" * 400
    good = path.read_bytes()
    heap = good.index(b"GCOL")
    for place in range(heap, heap + 64):
        for bit in (0, 4, 7):
            data = bytearray(good)
            data[place] ^= 1 << bit
            path.write_bytes(data)
            with hdf5.open_file(path) as file:
                for name in ("first", "second"):
                    assert len(hdf5.text(hdf5.attribute(file, name))) <= 400


def test_sentences_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "it's données\\x.hdf5"
    with h5py.File(path, "w") as file:
        file["link"] = h5py.ExternalLink("other.hdf5", "/a")
    with hdf5.open_file(path) as file, pytest.raises(DataError) as error:
        hdf5.child(file, "link")
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    "content", [b"", b"\x89HDF\r\n\x1a\n", b"<html>", b"\x89HDF\r\n\x1a\n" * 9]
)
def test_no_hdf5_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.hdf5"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        hdf5.open_file(path)
    assert error.value.code == "bad_hdf5"
    assert "\n" not in str(error.value)


def test_git_lfs_pointer_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "x.hdf5"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(DataError, match="git lfs pull"):
        hdf5.open_file(path)


def test_pictures_and_depth_are_told_by_shape(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file["rgb"] = np.zeros((2, 6, 8, 3), np.uint8)
        file["planar"] = np.zeros((2, 3, 6, 8), np.uint8)
        file["rows"] = np.zeros((2, 90), np.uint8)
        file["labels"] = np.zeros((2, 6, 8, 1), np.int32)
        file["joints"] = np.zeros((2, 7))
        assert is_pixels(file["rgb"])
        assert is_pixels(file["planar"])
        assert size_of(file["rgb"], "") == size_of(file["planar"], "") == (8, 6)
        assert is_encoded(file["rows"])
        assert size_of(file["rows"], "") == (0, 0)
        assert is_depth(file["labels"])
        assert not any(f(file["joints"]) for f in (is_pixels, is_depth, is_encoded))


@pytest.mark.parametrize(
    ("values", "scale", "why"),
    [
        (np.float32([0.5, 1.7]), 1.0, "metres"),
        (np.float32([0.2, 0.8]), 1.0, "metres"),
        (np.float32([0.95, 0.997]), 0.0, "near and far"),
        (np.uint16([400, 1200]), 0.001, "millimetres"),
        (np.float32([0, np.nan]), 0.0, "no value"),
    ],
)
def test_unit_of_depth(tmp_path: Path, values: np.ndarray, scale: float, why: str) -> None:
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file["depth"] = np.tile(values[None, None, :, None], (4, 3, 1, 1))
        found = depth_scale(file["depth"], "depth")
    assert found[0] == scale
    assert why in found[1]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("KITCHEN_SCENE3_turn_on_the_stove_demo.hdf5", "turn on the stove"),
        ("LIVING_ROOM_SCENE2_put_both_pots_in_the_basket_demo", "put both pots in the basket"),
        ("pick_up_the_black_bowl_demo.hdf5", "pick up the black bowl"),
        ("sim_transfer_cube_scripted", "transfer cube"),
        ("aloha_mobile_wipe_wine", "wipe wine"),
        ("PickPlaceCan", "pick place can"),
        ("image_v141.hdf5", ""),
        ("demo.hdf5", ""),
        ("2024-05-01", ""),
    ],
)
def test_names_become_instructions(name: str, words: str) -> None:
    assert words_of_name(name) == words


def test_attributes_of_any_kind_become_text(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        for name, value in {
            "str": json.dumps({"a": 1}), "bytes": np.bytes_(b"x\xff"), "one": ["y"],
            "number": 3, "many": ["a", "b"], "empty": h5py.Empty("f"),
        }.items():  # fmt: skip
            file.attrs[name] = value
        texts = {name: hdf5.text(hdf5.attribute(file, name)) for name in file.attrs}
        assert texts["str"] == '{"a": 1}'
        assert texts["bytes"].startswith("x")
        assert texts["one"] == "y"
        assert texts["number"] == texts["many"] == texts["empty"] == ""
        assert hdf5.attribute(file, "missing") is None

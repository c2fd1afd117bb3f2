"""Sessions in exports: what goes in comes out, and nothing else comes in."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.document import Session
from pipeline.engine.codec import CodecError, encode
from pipeline.export import session_bundle as bundle
from pipeline.export.names import dataset_name, export_name
from pipeline.export.session_bundle import pack_session, unpack_session
from pipeline.export.untrusted import decode_untrusted
from pipeline.model.candidate import MasksResult, ProposalsResult, TracksResult
from pipeline.model.demonstration import DatasetInfo, Demonstration
from pipeline.model.options import with_option
from pipeline.model.phases import PhasesResult
from pipeline.model.problem import DataError
from pipeline.model.score import ScoresResult
from tests.export_scenes import EDITS, FOLDER, GRAPH, session

HEAD = 7
SIZE_OF_VERSION = 6


@pytest.fixture(scope="module")
def packed() -> bytes:
    return pack_session(session(), GRAPH)


def head_of(data: bytes) -> int:
    return HEAD + data[SIZE_OF_VERSION]


def same(one: Any, other: Any) -> bool:
    """Whether two results are equal, arrays included."""
    if dataclasses.is_dataclass(one):
        fields = [f.name for f in dataclasses.fields(one)]
        return type(one) is type(other) and all(
            same(getattr(one, f), getattr(other, f)) for f in fields
        )
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(
            one, other, equal_nan=one.dtype.kind == "f"
        )
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def refused(data: bytes) -> str:
    """The sentence with which it is refused."""
    with pytest.raises(DataError) as caught:
        unpack_session(data, GRAPH)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 500
    return text


def test_what_goes_in_comes_out(packed: bytes) -> None:
    was, now = session(), unpack_session(packed, GRAPH)
    assert (now.dataset, now.format, now.version, now.subtask) == ("kitchen", "lerobot", "v2.1", 0)
    assert was.demonstration is not None
    for field in dataclasses.fields(Demonstration):
        if field.name not in ("ref", "files"):
            assert same(
                getattr(was.demonstration, field.name), getattr(now.demonstration, field.name)
            ), field.name
    assert (now.demonstration.ref.dataset, now.demonstration.ref.episode) == ("kitchen", 3)
    assert now.options == dict(was.options)
    assert now.edits == EDITS
    assert now.unknown == ()
    assert [o.stage for o in now.outcomes] == [s.name for s in GRAPH.stages]
    for outcome in now.outcomes:
        before = was.outcome(outcome.stage)
        assert before is not None
        assert same(before.result, outcome.result), outcome.stage
        assert (outcome.key, outcome.seconds) == (before.key, before.seconds)
        assert outcome.cached


def test_no_path_of_this_machine_is_in_it() -> None:
    was = session()
    options = dict(was.options)
    options["masks"] = with_option(options["masks"], "weights", "/home/somebody/models/sam.pt")
    data = pack_session(dataclasses.replace(was, options=options), GRAPH)
    with zipfile.ZipFile(io.BytesIO(data[head_of(data) :])) as archive:
        text = archive.read("json").decode()
    assert "somebody" not in text
    assert unpack_session(data, GRAPH).options["masks"].weights == "sam.pt"


def test_results_that_do_not_belong_to_the_others_stay_out() -> None:
    was = session()
    origins = {("scores", 0): {"robot": "another run's"}}
    data = pack_session(dataclasses.replace(was, origins=origins), GRAPH)
    names = [o.stage for o in unpack_session(data, GRAPH).outcomes]
    assert names == ["phases", "subtasks", "proposals", "masks", "tracks", "lifting", "robot"]


def test_part_of_the_stages_is_enough() -> None:
    was = session()
    few = {k: v for k, v in was.results.items() if k[0] in ("phases", "subtasks", "proposals")}
    data = pack_session(dataclasses.replace(was, results=few), GRAPH)
    assert len(unpack_session(data, GRAPH).outcomes) == 3
    with pytest.raises(ValueError, match="no episode"):
        pack_session(Session(), GRAPH)


def test_a_newer_one_says_so(packed: bytes) -> None:
    newer = packed[:4] + (bundle.SCHEMA + 1).to_bytes(2, "little") + packed[6:]
    text = refused(newer)
    assert "newer Demoscope" in text
    assert f"session version {bundle.SCHEMA + 1}" in text


def test_options_that_are_unknown_here_are_told(packed: bytes) -> None:
    def change(tree: dict[str, Any]) -> None:
        options = json.loads(tree["options"])
        options["phases"]["closure_threshold"] = "high"
        options["phases"]["of_the_future"] = 1
        options["painting"] = {"brush": 3}
        tree["options"] = json.dumps(options)

    now = unpack_session(changed(packed, change), GRAPH)
    assert now.unknown == (
        "phases.closure_threshold=high",
        "phases.of_the_future=1",
        "painting.brush=3",
    )
    assert now.options["phases"] == GRAPH.default_options()["phases"]


# -- what somebody else wrote ------------------------------------------------------------------


def changed(data: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The same session with another tree."""
    start = head_of(data)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data[start:])) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "json":
                tree = json.loads(content)
                change(tree)
                content = json.dumps(tree).encode()
            new.writestr(name, content)
    return data[:start] + out.getvalue()


def with_result(data: bytes, stage: str, change: Callable[[Any], Any]) -> bytes:
    """The same session with another result of a stage, as a program could write it."""
    was = session()
    outcome = was.outcome(stage)
    assert outcome is not None
    key = (stage, outcome.subtask)
    new = dataclasses.replace(outcome, result=change(outcome.result))
    return pack_session(dataclasses.replace(was, results={**was.results, key: new}), GRAPH)


def test_other_bytes_are_refused(packed: bytes) -> None:
    for data in (b"", b"DMSB", packed[:20], b"PK" + packed[2:], packed[:-100], b"\0" * 5000):
        refused(data)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dataset", "../../etc/passwd"),
        ("dataset", "a\nb"),
        ("dataset", ""),
        ("format", "<b>bold</b>" * 50),
        ("subtask", 7),
        ("subtask", "0"),
        ("subtask", True),
        ("options", "[]"),
        ("options", "{"),
        ("edits", '[{"kind": "delete_everything"}]'),
        ("edits", '{"kind": "rename"}'),
        ("demonstration", []),
        ("demonstration", None),
        ("outcomes", {"phases": 1}),
        ("unexpected", 1),
    ],
)
def test_other_values_are_refused(packed: bytes, field: str, value: Any) -> None:
    def change(tree: dict[str, Any]) -> None:
        tree[field] = value

    assert "cannot be read" in refused(changed(packed, change))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("length", 10**12),
        ("length", 0),
        ("length", -1),
        ("fps", float("nan")),
        ("fps", 0.0),
        ("timestamps", {"$array": 10**6}),
        ("timestamps", {"$array": -1}),
        ("timestamps", [1, 2, 3]),
        ("cameras", [{"key": "c", "width": 10**6, "height": 10**6}]),
        ("cameras", [{"key": "c", "width": 4, "height": 4}] * 2),
    ],
)
def test_impossible_episodes_are_refused(packed: bytes, field: str, value: Any) -> None:
    def change(tree: dict[str, Any]) -> None:
        tree["demonstration"][field] = value

    refused(changed(packed, change))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("stage", "painting"),
        ("stage", "phases"),
        ("subtask", 5),
        ("key", "../../somewhere"),
        ("key", ""),
        ("result", {"$array": 0}),
    ],
)
def test_results_of_nothing_are_refused(packed: bytes, field: str, value: Any) -> None:
    def change(tree: dict[str, Any]) -> None:
        tree["outcomes"][3][field] = value

    refused(changed(packed, change))


def replaced(**values: Any) -> Callable[[Any], Any]:
    """A change of fields that skips what their class checks, as a foreign program would."""

    def change(result: Any) -> Any:
        new = object.__new__(type(result))
        for field in dataclasses.fields(result):
            value = values.get(field.name, getattr(result, field.name))
            object.__setattr__(new, field.name, value)
        return new

    return change


FAR = np.array([0, 5, 10**6], np.int32)
CASES: list[tuple[str, type, Callable[[Any], Any]]] = [
    ("proposals", ProposalsResult, replaced(camera="elsewhere")),
    ("proposals", ProposalsResult, replaced(keyframe=10**6)),
    ("proposals", ProposalsResult, replaced(candidates=())),
    ("masks", MasksResult, replaced(height=10**6, width=10**6)),
    ("masks", MasksResult, replaced(packed=np.zeros((3, 7), np.uint8))),
    ("masks", MasksResult, replaced(packed=np.zeros((3, 9600), np.int64))),
    ("tracks", TracksResult, replaced(frames=FAR)),
    ("tracks", TracksResult, replaced(candidate=np.full(120, 99, np.int32))),
    ("tracks", TracksResult, replaced(points=np.zeros((2, 2, 2), np.float32))),
    ("scores", ScoresResult, replaced(winner=42)),
    ("scores", ScoresResult, replaced(radius=np.zeros(3, np.float32))),
    ("scores", ScoresResult, replaced(motion=np.zeros((3, 1), np.float32))),
    ("phases", PhasesResult, replaced(active_arm=7)),
]


@pytest.mark.parametrize(("stage", "kind", "change"), CASES)
def test_results_that_cannot_be_are_refused(
    packed: bytes, stage: str, kind: type, change: Callable[[Any], Any]
) -> None:
    assert isinstance(session().result(stage), kind)
    refused(with_result(packed, stage, change))


def archive(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name.replace("_", "."), content)
    return out.getvalue()


@dataclasses.dataclass(frozen=True)
class Anything:
    text: str
    numbers: np.ndarray[Any, np.dtype[np.float32]]


def npy(header: str) -> bytes:
    text = header.encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


TREE = json.dumps({"text": "a", "numbers": {"$array": 0}}).encode()
HUGE = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}")
OBJECTS = npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}") + b"cos\nsystem\n."


@pytest.mark.parametrize(
    "data",
    [
        archive(json=TREE, **{"0_npy": HUGE}),
        archive(json=TREE, **{"0_npy": OBJECTS}),
        archive(json=TREE, **{"0_npy": npy("__import__('os').getcwd()")}),
        archive(json=TREE, **{"0_npy": npy("{'descr': '<f4', 'shape': (")}),
        archive(json=TREE, **{"0_npy": b""}),
        archive(json=TREE, **{"../evil_npy": b"x"}),
        archive(json=TREE),
        archive(json=b"[" * 100_000 + b"]" * 100_000),
        archive(json=b" " * (40 << 20)),
        archive(json=b"\xff\xfe"),
        archive(**{"0_npy": b"x"}),
        archive(json=TREE, **{f"{n}_npy": b"" for n in range(5000)}),
    ],
    ids=["huge", "objects", "code", "open", "empty", "path", "missing", "deep", "long", "bytes",
         "no tree", "many"],
)  # fmt: skip
def test_hostile_archives_are_refused(data: bytes) -> None:
    with pytest.raises(CodecError):
        decode_untrusted(data, Anything, 64 << 20)


def test_bombs_are_refused_before_they_are_unpacked() -> None:
    zeros = encode(Anything("a", np.zeros(30 << 20, np.float32)))
    assert len(zeros) < 1 << 20
    with pytest.raises(CodecError, match="unpacks to more than 64 MiB"):
        decode_untrusted(zeros, Anything, 64 << 20)


def test_all_results_together_are_bounded(packed: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def decode(data: bytes, cls: type, limit: int) -> Any:
        found = decode_untrusted(data, cls, 64 << 20)
        if cls is not bundle._Stored:
            sizes.append((bundle.unpacked_size(data), limit))
        return found

    monkeypatch.setattr(bundle, "decode_untrusted", decode)
    unpack_session(packed, GRAPH)
    assert len(sizes) > 2
    left = bundle.LARGEST
    for size, limit in sizes:
        assert limit == left
        left -= size


def test_arrays_of_another_type_are_refused() -> None:
    good = encode(Anything("a", np.zeros(3, np.float32)))
    assert decode_untrusted(good, Anything, 1 << 20).text == "a"
    for other in (np.float64, np.int32, np.bool_):
        with pytest.raises(CodecError, match="instead of float32"):
            decode_untrusted(encode(Anything("a", np.zeros(3, other))), Anything, 1 << 20)  # type: ignore[arg-type]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1), bits=st.integers(1, 255), many=st.integers(1, 40))
def test_a_damaged_one_is_read_or_refused(
    packed: bytes, place: float, bits: int, many: int
) -> None:
    data = bytearray(packed)
    start = int(place * (len(data) - 1))
    for at in range(start, min(start + many, len(data))):
        data[at] ^= bits
    with contextlib.suppress(DataError):
        unpack_session(bytes(data), GRAPH)


INFO = session().dataset


def lying_in(path: str) -> DatasetInfo:
    assert INFO is not None
    return dataclasses.replace(INFO, path=path)


@given(name=st.text(max_size=300))
def test_names_are_names(name: str) -> None:
    recorded = dataset_name(lying_in(name))
    assert recorded
    assert not set("/\\\n\0") & set(recorded)
    file = export_name(name, 3, 0, ".rrd")
    assert "/" not in file
    assert len(file.encode()) < 600
    assert file.endswith("-episode-000003-subtask-1.rrd")


def test_names_of_files() -> None:
    assert (
        export_name("g1 pick/bottle", 12, 1, ".rrd")
        == "g1-pick-bottle-episode-000012-subtask-2.rrd"
    )
    assert export_name("…", 0, 0, ".rrd").startswith("dataset-")
    assert dataset_name(lying_in(FOLDER)) == "kitchen"
    hub = "/cache/hub/datasets--lerobot--pusht/snapshots/0a1b2c3d"
    assert dataset_name(lying_in(hub)) == "pusht"

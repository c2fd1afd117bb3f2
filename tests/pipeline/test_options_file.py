"""Options as a file: what is written can be read, and what cannot be used is one sentence."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from pipeline.annotate import standard_graph
from pipeline.engine.options_file import (
    changed_values,
    read_options,
    read_options_file,
    write_options,
)
from pipeline.model.options import describe
from pipeline.model.problem import DataError
from tests.pipeline.toy_stages import ToyOptions, toy_graph


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "new" / "options.json"


def test_all_options_come_back(file: Path) -> None:
    graph = standard_graph()
    options = graph.default_options()
    for stage, chosen in options.items():
        for info in describe(chosen):
            if info.type is float and info.high is not None:
                options[stage] = dataclasses.replace(options[stage], **{info.name: info.high})
    write_options(file, options, threshold=0.61, note="kept – 412")
    assert read_options(file, graph) == options
    found = read_options_file(file, graph)
    assert (found.threshold, found.note) == (0.61, "kept – 412")
    assert len(changed_values(options)) > 10
    assert changed_values(graph.default_options()) == ()
    content = json.loads(file.read_text())
    assert content["demoscope_options"] == 1
    # Every value is there, so that a default that changes later changes nothing.
    assert set(content["stages"]["scores"]) == {i.name for i in describe(options["scores"])}
    assert [p.name for p in file.parent.iterdir()] == ["options.json"]


def test_what_is_left_out_is_a_default(file: Path) -> None:
    write_options(file, {"first": ToyOptions(factor=2)})
    options = read_options(file, toy_graph())
    assert options == {"first": ToyOptions(factor=2), "second": ToyOptions()}
    file.write_text('{"demoscope_options": 1}')
    assert read_options(file, toy_graph()) == toy_graph().default_options()


def test_an_integer_is_a_float_where_one_is_wanted(file: Path) -> None:
    file.parent.mkdir()
    file.write_text('{"demoscope_options": 1, "stages": {"first": {"factor": 3}}}')
    factor = read_options(file, toy_graph())["first"].factor
    assert (factor, type(factor)) == (3.0, float)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "expected an options file, this is no JSON (Expecting value, line 1)"),
        ("[]", "expected an options file, got JSON that is no object"),
        ("[" * 100_000, "expected an options file"),
        ("{}", "it has no “demoscope_options”"),
        ('{"demoscope_options": 2}', "expected options of version 1, got version 2"),
        ('{"demoscope_options": true}', "expected options of version 1"),
        ('{"demoscope_options": 1, "extra": 0}', "no field “extra” is known"),
        ('{"demoscope_options": 1, "stages": []}', "stages: expected an object, got a list"),
        ('{"demoscope_options": 1, "stages": {"x": {}}}', "no stage x; there are: first, second"),
        ('{"demoscope_options": 1, "stages": {"first": 1}}', "stage first: expected an object"),
        (
            '{"demoscope_options": 1, "stages": {"first": {"x": 1}}}',
            "stage first: no option x; there are: factor, behaviour",
        ),
        (
            '{"demoscope_options": 1, "stages": {"first": {"factor": "2"}}}',
            'stage first: factor: expected float, got "2"',
        ),
        (
            '{"demoscope_options": 1, "stages": {"first": {"factor": true}}}',
            "factor: expected float, got true",
        ),
        (
            '{"demoscope_options": 1, "stages": {"first": {"factor": NaN}}}',
            "NaN is no number",
        ),
        (
            '{"demoscope_options": 1, "stages": {"first": {"factor": 1e999}}}',
            "factor: expected float, got inf",
        ),
        (
            '{"demoscope_options": 1, "stages": {"first": {"factor": 101}}}',
            "factor: expected 0 to 100, got 101",
        ),
        (
            '{"demoscope_options": 1, "stages": {"first": {"behaviour": null}}}',
            "behaviour: expected str, got null",
        ),
        (
            '{"demoscope_options": 1, "stages": {"first": {"behaviour": "odd"}}}',
            "behaviour: expected one of fine",
        ),
        ('{"demoscope_options": 1, "threshold": "0.5"}', "threshold: expected float"),
        ('{"demoscope_options": 1, "note": 5}', "note: expected a text, got 5"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(file: Path, content: str, sentence: str) -> None:
    file.parent.mkdir()
    file.write_text(content)
    with pytest.raises(DataError) as caught:
        read_options(file, toy_graph())
    assert str(caught.value).startswith(f"{file}: ")
    assert sentence in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_files_that_are_none(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "no", "No such file"), (tmp_path, "directory")):
        with pytest.raises(DataError, match=reason):
            read_options(path, toy_graph())
    (tmp_path / "bytes").write_bytes(b"\xff\xfe{}")
    with pytest.raises(DataError, match="it is no text"):
        read_options(tmp_path / "bytes", toy_graph())


def test_a_threshold_that_is_no_number_is_refused(file: Path) -> None:
    with pytest.raises(ValueError, match="threshold"):
        write_options(file, {}, threshold=float("nan"))
    assert not file.exists()


def test_what_was_there_stays_when_writing_fails(file: Path, monkeypatch) -> None:
    write_options(file, {}, note="before")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline.model.whole_file.os.replace", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_options(file, {}, note="after")
    assert caught.value.filename == str(file)
    assert read_options_file(file, toy_graph()).note == "before"
    assert len(list(file.parent.iterdir())) == 1

"""Devices, precision, loaded models and running out of memory, on real exceptions of torch."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest

from pipeline.backends import devices
from pipeline.backends.backend import ModelBackend, ModelSettings
from pipeline.backends.catalogue import DeviceInfo, Survey, devices_here
from pipeline.model.problem import Cancelled, DataError

torch = pytest.importorskip("torch")
TOO_MUCH = 1 << 46
"""Bytes, more than any address space has room for."""


class Toy(ModelBackend):
    name: ClassVar[str] = "toy"
    title: ClassVar[str] = "Toy"
    licence: ClassVar[str] = "MIT"


@pytest.fixture(autouse=True)
def _no_models() -> Iterator[None]:
    devices.release_models()
    yield
    devices.release_models()


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return toy_of(tmp_path / "a.pt", b"a")


def toy_of(path: Path, content: bytes, **settings: str) -> Toy:
    path.write_bytes(content)
    backend = Toy()
    backend.configure(ModelSettings(weights=str(path), device="cpu", **settings))
    return backend


class Model:
    """What can be watched."""


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two CUDA devices that this machine does not have, for questions only."""
    cuda = torch.cuda
    monkeypatch.setattr(cuda, "is_available", lambda: True)
    monkeypatch.setattr(cuda, "is_initialized", lambda: False)
    monkeypatch.setattr(cuda, "device_count", lambda: 2)
    monkeypatch.setattr(cuda, "is_bf16_supported", lambda including_emulation=True: True)
    monkeypatch.setattr(cuda, "get_device_name", lambda i: ("A6000", "T4")[i])

    def memory(index: int) -> tuple[int, int]:
        if index == 1:
            raise RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable")
        return 40 << 30, 48 << 30

    monkeypatch.setattr(cuda, "mem_get_info", memory)


# -- placement -----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["auto", "", "cpu", " CPU ", "cpu:1"])
def test_the_cpu_is_one_device_however_it_is_written(text: str) -> None:
    assert devices.place(ModelSettings(device=text)).text == "cpu, float32"


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("gpu", "there is no device “gpu”"),
        ("cuda:", "there is no device “cuda:”"),
        ("cuda:-1", "there is no device “cuda:-1”"),
        ("cuda:x", "there is no device"),
        ("cuda:999", "no"),
        ("meta", "is not supported"),
        ("mps", "no MPS device"),
        ("cuda:1", "is not on this machine (0 CUDA devices)"),
    ],
)
def test_devices_that_are_not_here_are_named(device: str, words: str) -> None:
    if device == "mps" and torch.backends.mps.is_available():
        pytest.skip("this machine has one")
    if device == "cuda:1" and torch.cuda.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(DataError) as error:
        devices.place(ModelSettings(device=device))
    assert error.value.code == "no_device"
    assert words in str(error.value)
    assert "auto" in str(error.value) or "cpu" in str(error.value)


def test_precisions_are_chosen_and_checked(gpus: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.place(ModelSettings()).text == "cuda:0, bfloat16"
    assert devices.place(ModelSettings(precision="float16")).text == "cuda:0, float16"
    assert devices.place(ModelSettings(device="cpu")).text == "cpu, float32"
    assert devices.place(ModelSettings(device="cpu", precision="bfloat16")).dtype == torch.bfloat16
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation
    )
    assert devices.place(ModelSettings()).text == "cuda:0, float32", "emulation is slower"
    with pytest.raises(DataError, match="there is no precision “int8”"):
        devices.place(ModelSettings(precision="int8"))


def test_several_gpus_are_listed_with_their_memory(gpus: None) -> None:
    assert devices.place(ModelSettings(device="cuda:1")).text == "cuda:1, bfloat16"
    assert devices.place(ModelSettings(device="cuda")) == devices.place(
        ModelSettings(device="cuda:0")
    )
    with pytest.raises(DataError, match=r"cuda:2” is not on this machine \(2 CUDA devices\)"):
        devices.place(ModelSettings(device="cuda:2"))
    found = devices.list_devices()
    assert [d.name for d in found][:2] == ["cuda:0", "cuda:1"]
    assert found[0].text == "cuda:0: A6000, 40.0 of 48.0 GiB free"
    assert found[1].text == "cuda:1: T4", "a busy device is a device all the same"
    assert found[-1].name == "cpu"
    assert [d.precision for d in devices_here()][:2] == ["bfloat16", "bfloat16"]


def test_a_survey_says_where_a_model_would_run_without_torch() -> None:
    here = Survey(
        (), (DeviceInfo("cuda:0", "cuda:0: A", "bfloat16"), DeviceInfo("cpu", "cpu", "float32"))
    )
    assert here.placement() == "cuda:0, bfloat16"
    assert here.placement("cuda") == "cuda:0, bfloat16"
    assert here.placement("cpu") == "cpu, float32"
    assert here.placement("cpu", "float16") == "cpu, float16"
    assert here.placement("cuda:1") == ""
    assert Survey(()).placement() == ""


# -- loaded models -------------------------------------------------------------------------------


def test_a_model_is_loaded_once_per_weights_kind_and_precision(toy: Toy, tmp_path: Path) -> None:
    first = devices.loaded(toy, "image", lambda _p: Model())
    assert devices.loaded(toy, "image", lambda _p: Model()) is first
    assert devices.loaded(toy, "video", lambda _p: Model()) is not first
    half = toy_of(tmp_path / "a.pt", b"a", precision="bfloat16")
    assert devices.loaded(half, "image", lambda _p: Model()) is not first
    other = toy_of(tmp_path / "b.pt", b"b")
    assert devices.loaded(other, "image", lambda _p: Model()) is not first
    twin = toy_of(tmp_path / "a.pt", b"a")
    assert devices.loaded(twin, "image", lambda _p: Model()) is first


def test_the_model_used_longest_ago_goes_first(tmp_path: Path) -> None:
    toys = [toy_of(tmp_path / f"{i}.pt", bytes([i])) for i in range(devices.KEPT_MODELS + 1)]
    alive = [
        weakref.ref(devices.loaded(t, "m", lambda _p: Model())) for t in toys[: devices.KEPT_MODELS]
    ]
    devices.loaded(toys[0], "m", lambda _p: Model())
    devices.loaded(toys[-1], "m", lambda _p: Model())
    assert [ref() is not None for ref in alive] == [True, False, True, True]


def test_weights_that_do_not_load_are_one_sentence(toy: Toy) -> None:
    def broken(_placement: devices.Placement) -> Any:
        return torch.load(toy.settings.weights, weights_only=True)

    with pytest.raises(DataError, match=r"a.pt does not load as toy") as error:
        devices.loaded(toy, "m", broken)
    assert error.value.code == "bad_weights"
    assert "\n" not in str(error.value)


def test_running_out_of_memory_while_loading_tries_again_without_the_others(
    toy: Toy, tmp_path: Path
) -> None:
    other = weakref.ref(devices.loaded(toy_of(tmp_path / "b.pt", b"b"), "m", lambda _p: Model()))

    def needs_room(_placement: devices.Placement) -> Any:
        if other() is not None:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return Model()

    assert isinstance(devices.loaded(toy, "m", needs_room), Model)
    devices.release_models()
    tries = []

    def never(_placement: devices.Placement) -> Any:
        tries.append(1)
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    with pytest.raises(DataError, match="the GPU ran out of memory while loading toy") as error:
        devices.loaded(toy, "m", never)
    assert error.value.code == "out_of_memory"
    assert len(tries) == 1, "there was nothing to give back"


# -- out of memory -------------------------------------------------------------------------------


def allocate_with_torch() -> None:
    torch.empty(TOO_MUCH, dtype=torch.uint8)


def allocate_with_numpy() -> None:
    np.empty(TOO_MUCH, np.uint8)


def allocate_with_opencv() -> None:
    cv2.resize(np.zeros((1, 1), np.uint8), ((1 << 31) - 1, 32_000))


def cuda() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has …")


def cublas() -> None:
    raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")


def driver() -> None:
    raise torch.AcceleratorError("CUDA error: out of memory")


def mps() -> None:
    raise RuntimeError("MPS backend out of memory (MPS allocated: 17.9 GB, max allowed: 18.1 GB)")


@pytest.mark.parametrize(
    ("allocate", "where"),
    [
        (allocate_with_torch, "this machine"),
        (allocate_with_numpy, "this machine"),
        (allocate_with_opencv, "this machine"),
        (cuda, "the GPU"),
        (cublas, "the GPU"),
        (driver, "the GPU"),
        (mps, "the GPU"),
    ],
)
def test_every_way_of_running_out_is_the_same_sentence(allocate: Any, where: str, toy: Toy) -> None:
    model = weakref.ref(devices.loaded(toy, "m", lambda _p: Model()))
    with (
        pytest.raises(DataError) as error,
        devices.memory_guard("tracking 900 points", "max points"),
    ):
        allocate()
    assert error.value.code == "out_of_memory"
    sentence = str(error.value)
    assert sentence.startswith(f"{where} ran out of memory while tracking 900 points; ")
    assert "lower max points" in sentence
    assert ("device=cpu" in sentence) == (where == "the GPU")
    assert model() is None, "loaded models are given back"


def test_what_the_failed_work_held_is_free_at_once() -> None:
    class Tensor:
        """What can be watched."""

    held: list[Any] = []

    def work() -> None:
        tensor = Tensor()
        held.append(weakref.ref(tensor))
        cuda()

    with pytest.raises(DataError) as error, devices.memory_guard("x"):
        work()
    assert error.value.__cause__ is not None
    assert held[0]() is None, "though its exception is still alive"


@pytest.mark.parametrize(
    "error",
    [RuntimeError("shapes differ"), ValueError("no"), Cancelled(), DataError("a", "out of memory")],
)
def test_other_failures_pass(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, devices.memory_guard("x"):
        raise error
    assert caught.value is error


def test_a_backend_says_where_it_ran(toy: Toy) -> None:
    class Says(Toy):
        placement = "cuda:3, float16"

    class Server(Toy):
        packages: ClassVar[tuple[str, ...]] = ("json",)

    assert devices.placement_of(toy) == "cpu, float32"
    assert devices.placement_of(Says()) == "cuda:3, float16"
    assert devices.placement_of(Server()) == ""
    assert devices.placement_of(object()) == ""

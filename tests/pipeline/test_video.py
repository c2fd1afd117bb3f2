"""Frames by time from videos of every kind: the right one, upright, in the right colours."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.model.picture import ArrayPicture
from pipeline.model.problem import DataError
from pipeline.sources.picture_cache import PictureCache
from pipeline.sources.video import decoder as video_decoder
from pipeline.sources.video import index as video_index
from pipeline.sources.video.clip import VideoClip
from pipeline.sources.video.depth import DepthCodes, DepthVideo
from pipeline.sources.video.picture import VideoPicture
from tests import video_files as files
from tests.video_files import Encoding

FRAMES = 48
X264 = {"preset": "veryfast", "crf": "18", "sc_threshold": "0"}
B_FRAMES = X264 | {"bf": "3", "b_strategy": "0"}
ENCODINGS = {
    "h264": Encoding(options=X264 | {"bf": "0"}),
    "h264 b-frames": Encoding(options=B_FRAMES),
    "h264 open gop": Encoding(options=B_FRAMES | {"x264-params": "open-gop=1"}),
    "h264 one gop": Encoding(options=X264, gop=250),
    "h264 10 bit": Encoding(options=X264, pix_fmt="yuv420p10le"),
    "h264 4:2:2": Encoding(options=X264, pix_fmt="yuv422p"),
    "h264 4:4:4": Encoding(options=X264, pix_fmt="yuv444p"),
    "h264 full range": Encoding(options=X264, pix_fmt="yuvj420p"),
    "h264 rgb": Encoding("libx264rgb", "rgb24", options=X264),
    "h264 fragmented": Encoding(
        options=B_FRAMES, container={"movflags": "frag_keyframe+empty_moov"}
    ),
    "h264 ts": Encoding(options=B_FRAMES, suffix=".ts"),
    "h264 mkv": Encoding(options=B_FRAMES, suffix=".mkv"),
    "hevc": Encoding("libx265", options=files.X265),
    "hevc grey": Encoding("libx265", "gray", options=files.X265),
    "av1": Encoding("libsvtav1", gop=2, options=files.AV1),
    "av1 10 bit": Encoding("libsvtav1", "yuv420p10le", gop=4, options=files.AV1),
    "vp9": Encoding("libvpx-vp9", suffix=".webm", options={"deadline": "realtime"}),
    "mpeg4": Encoding("mpeg4", options={"qscale": "3", "bf": "2"}),
    "mpeg4 avi": Encoding("mpeg4", suffix=".avi", options={"qscale": "3"}),
    "mjpeg": Encoding("mjpeg", "yuvj420p", suffix=".avi"),
    "ffv1": Encoding("ffv1", "gray16le", suffix=".mkv"),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Videos that tests only read, written once."""
    root = tmp_path_factory.mktemp("videos")
    return {
        name: files.write_numbered(root / name.replace(" ", "_").replace(":", ""), FRAMES, how)
        for name, how in ENCODINGS.items()
    }


def rows(frames: int = FRAMES, fps: float = 30.0) -> np.ndarray:
    return np.arange(frames) / fps


@pytest.mark.parametrize("name", ENCODINGS)
def test_every_frame_in_any_order(written: dict[str, Path], name: str) -> None:
    clip = VideoClip(written[name], rows())
    assert clip.frame_count == FRAMES
    order = np.random.default_rng(1).permutation(FRAMES)
    assert [files.number_of(clip.rgb(int(i))) for i in order] == order.tolist()
    pictures = [clip.picture(i) for i in range(FRAMES)]
    assert {p.note for p in pictures} == {""}
    assert {p.size for p in pictures} == {(96, 64)}
    times = clip.times()
    assert times.exact.all()
    assert not times.variable
    assert times.truncated == ""
    np.testing.assert_allclose(times.times, rows(), atol=1.1e-3)
    clip.close()


@pytest.mark.parametrize("name", ENCODINGS)
def test_colours_are_those_of_libswscale(written: dict[str, Path], name: str) -> None:
    clip = VideoClip(written[name], rows())
    picture = clip.picture(7)
    assert isinstance(picture, VideoPicture)
    expected = picture.decoded.to_ndarray(format="rgb24")
    rgb, bgrx = picture.rgb(), picture.bgrx()
    for pixels in (rgb, bgrx):
        assert pixels.dtype == np.uint8
        assert pixels.flags.c_contiguous
    # The same library with the same settings, so no tolerance.
    np.testing.assert_array_equal(rgb, expected)
    np.testing.assert_array_equal(bgrx[:, :, 2::-1], expected)
    assert (bgrx[:, :, 3] == 255).all()
    rgb[:] = 0  # Owned by the caller: the next one is untouched.
    np.testing.assert_array_equal(picture.rgb(), expected)
    clip.close()


@pytest.mark.parametrize("size", [(97, 63), (33, 35), (642, 482)])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    how = Encoding("libx264rgb", "rgb24") if size[0] % 2 else Encoding(options=X264)
    odd = Encoding("libvpx-vp9", suffix=".webm") if size[0] % 2 else how
    for encoding in (how, odd):
        path = files.write_numbered(tmp_path / encoding.codec, 6, encoding, size=size)
        clip = VideoClip(path, rows(6))
        picture = clip.picture(5)
        assert picture.size == size
        assert picture.rgb().shape == (size[1], size[0], 3)
        np.testing.assert_array_equal(picture.bgrx()[:, :, 2::-1], picture.rgb())
        assert files.number_of(picture.rgb()) == 5
        clip.close()


@pytest.mark.parametrize(
    ("matrix", "stored"),
    [
        ((0, 1, -1, 0), lambda a: np.rot90(a, 1)),  # To be turned clockwise.
        ((-1, 0, 0, -1), lambda a: np.rot90(a, 2)),
        ((0, -1, 1, 0), lambda a: np.rot90(a, -1)),
        ((-1, 0, 0, 1), lambda a: a[:, ::-1]),
        ((1, 0, 0, -1), lambda a: a[::-1]),
        ((0, 1, 1, 0), lambda a: np.swapaxes(a, 0, 1)),
        ((0, -1, -1, 0), lambda a: np.rot90(np.swapaxes(a, 0, 1), 2)),
    ],
)
def test_turned_files_are_shown_upright(
    tmp_path: Path, matrix: tuple[int, int, int, int], stored: Any
) -> None:
    shown = [files.numbered(i) for i in range(4)]
    path = files.write_frames(
        tmp_path / "turned", (stored(a) for a in shown), Encoding(options=X264)
    )
    files.turn(path, matrix)
    clip = VideoClip(path, rows(4))
    picture = clip.picture(3)
    assert picture.size == (96, 64)
    for pixels in (picture.rgb(), picture.bgrx()[:, :, 2::-1]):
        assert pixels.shape == (64, 96, 3)
        assert files.is_upright(pixels)
        assert files.number_of(pixels) == 3
    clip.close()


def test_variable_rate_shows_what_was_on_screen(tmp_path: Path) -> None:
    ticks = np.cumsum([0, *np.tile([20, 33, 60, 35], 12)])[:FRAMES]
    path = files.write_numbered(
        tmp_path / "variable", FRAMES, Encoding(options=B_FRAMES, rate=1000), ticks=ticks.tolist()
    )
    table = np.arange(0, ticks[-1] / 1000, 1 / 30)
    clip = VideoClip(path, table)
    times = clip.times()
    assert times.variable
    np.testing.assert_allclose(times.times, ticks / 1000, atol=1e-3)
    expected = np.abs(ticks[None] / 1000 - table[:, None]).argmin(axis=1)
    np.testing.assert_array_equal(times.nearest, expected)
    assert [files.number_of(clip.rgb(i)) for i in range(len(table))] == expected.tolist()
    # Of rows that share a picture one has it as its own.
    assert times.exact.sum() == len(set(expected.tolist()))
    clip.close()


def test_edit_list_and_times_below_zero(tmp_path: Path) -> None:
    ticks = list(range(-6, FRAMES - 6))
    path = files.write_numbered(
        tmp_path / "edited", FRAMES, Encoding(options=B_FRAMES), ticks=ticks
    )
    clip = VideoClip(path, rows(FRAMES - 6))
    assert clip.frame_count == FRAMES - 6  # The first six are there to be decoded, not shown.
    for i in (0, 20, 5, 1, FRAMES - 7):
        assert files.number_of(clip.rgb(i)) == i + 6
    clip.close()


@pytest.mark.parametrize("name", ["h264 b-frames", "av1", "h264 ts", "h264 mkv", "mpeg4 avi"])
def test_episodes_share_a_file(written: dict[str, Path], name: str) -> None:
    for first, count in ((0, 10), (10, 20), (30, 18)):
        clip = VideoClip(written[name], rows(count), start=first / 30)
        assert clip.frame_count == count
        assert clip.times().times[0] == pytest.approx(0.0, abs=1.1e-3)
        for i in (count - 1, 0, count // 2):
            assert files.number_of(clip.rgb(i)) == first + i
        clip.close()


def test_all_frames_on_the_way_are_kept(written: dict[str, Path]) -> None:
    clip = VideoClip(written["h264 one gop"], rows())
    assert clip.cached(0) is None
    clip.picture(FRAMES - 1)
    shown = [clip.cached(i) for i in range(FRAMES)]
    assert [files.number_of(p.rgb()) for p in shown if p is not None] == list(range(FRAMES))
    clip.close()


def test_forward_steps_and_jumps_decode_no_more_than_needed(
    written: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    seeks, decoded = [], []
    begin, take = video_decoder.VideoDecoder._begin, video_decoder.VideoDecoder._take
    monkeypatch.setattr(
        video_decoder.VideoDecoder, "_begin", lambda s, t: (seeks.append(t), begin(s, t))[1]
    )
    monkeypatch.setattr(
        video_decoder.VideoDecoder, "_take", lambda s, f: (decoded.append(f.pts), take(s, f))[1]
    )
    clip = VideoClip(written["h264"], rows())
    for i in range(6):
        clip.picture(i)
    assert len(seeks) == 1
    assert len(decoded) == 6
    clip.picture(10)  # In the same GOP of 12: on from where it stands.
    assert len(seeks) == 1
    clip.picture(13)  # Just behind the next key frame.
    assert len(seeks) == 1
    clip.picture(40)  # Two GOPs on: from the key frame at 36.
    assert len(seeks) == 2
    assert len(decoded) <= 14 + 5
    clip.picture(3)  # Kept.
    assert len(seeks) == 2
    clip.close()


def test_cache_is_asked_from_another_thread(written: dict[str, Path]) -> None:
    clip = VideoClip(written["h264 b-frames"], rows(), cache=PictureCache(300_000))
    wrong: list[object] = []
    done = threading.Event()

    def look() -> None:
        dice = np.random.default_rng(2)
        while not done.is_set():
            index = int(dice.integers(FRAMES))
            picture = clip.cached(index)
            if picture is not None and files.number_of(picture.rgb()) != index:
                wrong.append(index)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for index in np.random.default_rng(3).integers(0, FRAMES, 60):
            assert files.number_of(clip.picture(int(index)).bgrx()[:, :, 2::-1]) == index
    finally:
        done.set()
        thread.join()
    assert not wrong
    clip.close()


def test_index_is_read_once(written: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path] = []
    read = video_index._read
    monkeypatch.setattr(video_index, "_read", lambda p, *rest: (reads.append(p), read(p, *rest))[1])
    path = written["h264"]
    table = rows(FRAMES - 3)  # Not asked for by another test.
    assert VideoClip(path, table).frame_count == VideoClip(path, table).frame_count
    assert len(reads) == 1
    VideoClip(path, rows(20), start=0.2)
    assert len(reads) == 2


def test_index_notices_a_file_that_changed(tmp_path: Path) -> None:
    path = files.write_numbered(tmp_path / "video", 20, Encoding(options=X264))
    assert VideoClip(path, rows(20)).frame_count == 20
    files.write_numbered(tmp_path / "video", 12, Encoding(options=X264))
    assert VideoClip(path, rows(20)).frame_count == 12


def test_rows_without_a_picture_say_so(written: dict[str, Path]) -> None:
    clip = VideoClip(written["h264"], rows(FRAMES + 30))
    times = clip.times()
    assert times.exact.sum() == FRAMES
    assert clip.picture(FRAMES - 1).note == ""
    late = clip.picture(FRAMES + 20)
    assert files.number_of(late.rgb()) == FRAMES - 1
    assert "has no picture of frame 68" in late.note
    assert clip.cached(FRAMES + 20) is not None
    clip.close()


def test_bytes_held_are_not_understated(written: dict[str, Path]) -> None:
    clip = VideoClip(written["av1"], rows())
    picture = clip.picture(3)
    assert isinstance(picture, VideoPicture)
    planes = picture.decoded.planes
    assert picture.nbytes >= sum(p.buffer_size for p in planes)
    # dav1d lays the planes of a picture one after the other, rows rounded up to 128.
    held = planes[2].buffer_ptr - planes[0].buffer_ptr + planes[2].line_size * 64
    assert picture.nbytes >= held
    clip.close()


def test_small_cache_still_reaches_everything(written: dict[str, Path]) -> None:
    for budget in (0, 20_000):
        cache = PictureCache(budget)
        clip = VideoClip(written["h264 b-frames"], rows(), cache=cache)
        for index in (40, 3, 4, 2, 47):
            assert files.number_of(clip.rgb(index)) == index
            assert cache.held <= budget
        clip.close()


def test_cache_drops_the_longest_unused() -> None:
    cache = PictureCache(3 * 30)
    pictures = [ArrayPicture(np.zeros((2, 5, 3), np.uint8)) for _ in range(4)]
    for i in range(3):
        cache.put(i, pictures[i])
    assert cache.get(0) is pictures[0]
    cache.put(3, pictures[3])
    assert [cache.get(i) is not None for i in range(4)] == [True, False, True, True]
    assert cache.held == 90
    cache.put(3, pictures[0])
    assert cache.held == 90
    cache.put(9, ArrayPicture(np.zeros((20, 20, 3), np.uint8)))
    assert cache.get(9) is None
    cache.clear()
    assert (cache.held, len(cache)) == (0, 0)


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "source"),
    [("ffv1", "gray12le", "gray12le"), ("ffv1", "gray16le", "gray16le")],
)
def test_depth_codes_come_back_exactly(
    tmp_path: Path, codec: str, pix_fmt: str, source: str
) -> None:
    bits = 12 if pix_fmt == "gray12le" else 16
    codes = np.arange(48 * 50, dtype=np.uint16).reshape(48, 50) * (1 if bits == 12 else 16)
    path = files.write_frames(
        tmp_path / "depth",
        (codes for _ in range(3)),
        Encoding(codec, pix_fmt, suffix=".mkv"),
        source=source,
    )
    how = DepthCodes(low=0.0, high=4.095, shift=3.5, logarithmic=False)
    depth = DepthVideo(VideoClip(path, rows(3)), how)
    expected = np.arange(48 * 50).reshape(48, 50) / 1000
    np.testing.assert_allclose(depth.metres(2), expected, atol=1e-5)
    depth.close()


def test_closed_clip_holds_no_file(written: dict[str, Path]) -> None:
    clip = VideoClip(written["h264"], rows())
    clip.picture(3)
    clip.close()
    clip.close()
    # Opened again when asked again.
    assert files.number_of(clip.rgb(30)) == 30
    clip.close()


def test_no_video_is_one_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a video" * 50)
    for path in (broken, tmp_path / "absent.mp4", tmp_path):
        with pytest.raises(DataError) as caught:
            VideoClip(path, rows())
        assert caught.value.code == "bad_video"
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_closed_clips_free_their_pictures_at_once(tmp_path: Path) -> None:
    """Without waiting for Python to look for cycles: PyAV makes some."""
    path = files.write_numbered(tmp_path / "video", 40, Encoding(options=X264), size=(320, 240))

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    resource = pytest.importorskip("resource")
    gc.disable()
    try:
        for turn in range(30):
            clip = VideoClip(path, rows(40))
            for i in range(40):
                clip.picture(i)
            clip.close()
            del clip
            if turn == 4:
                before = resident()
        # 25 times 4.6 MB if nothing was freed.
        assert resident() - before < 30 << 20
    finally:
        gc.enable()

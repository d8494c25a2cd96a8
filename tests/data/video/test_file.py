import os

import av
import numpy as np
import pytest

from capsight.data.video import open_video
from capsight.errors import UserError

from .films import N, damage, film, number_of

KINDS = {
    "mp4": ("a.mp4", "libx264", None),
    "mp4 without B-frames": ("a.mp4", "libx264", 0),
    "avi": ("a.avi", "mpeg4", 0),
    "avi with B-frames": ("a.avi", "mpeg4", 2),
    "avi of JPEGs": ("a.avi", "mjpeg", None),
    "mpg": ("a.mpg", "mpeg2video", 0),
    "mpg with B-frames": ("a.mpg", "mpeg2video", 2),
    "mkv": ("a.mkv", "libx264", None),
}


@pytest.fixture(params=KINDS, ids=str)
def video(request, tmp_path):
    name, codec, b_frames = KINDS[request.param]
    return film(tmp_path / name, codec, b_frames=b_frames)


def same(first, second):
    return (first is None) == (second is None) and (first is None or np.array_equal(first, second))


def test_every_frame_comes_once_in_order_with_its_number_and_time(video):
    opened = open_video(video)
    shots = list(opened.frames())
    assert opened.n_frames == N
    assert opened.frames_per_second == 2
    assert [shot.frame for shot in shots] == list(range(N))
    np.testing.assert_allclose([shot.seconds for shot in shots], np.arange(N) / 2, atol=1e-3)
    assert all(shot.problem == "" and shot.image.shape == (64, 64, 3) for shot in shots)
    assert max(abs(number_of(shot.image) - shot.frame) for shot in shots) <= 1  # of lossy codecs


def test_colours_are_those_that_a_frame_has_by_itself(video):
    with av.open(str(video)) as container:
        alone = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert all(same(shot.image, image) for shot, image in zip(open_video(video).frames(), alone, strict=True))


def test_what_is_read_from_a_frame_on_is_what_it_was_from_the_beginning(video):
    opened = open_video(video)
    shots = list(opened.frames())
    for start in (1, 13, 37, N - 1):
        later = list(opened.frames(start))
        assert [shot.frame for shot in later] == list(range(start, N))
        assert all(same(a.image, b.image) for a, b in zip(later, shots[start:], strict=True))
    assert [shot.frame for shot in opened.fetch([59, 3, 3, 4, 100])] == [3, 4, 59]
    assert all(same(shot.image, shots[shot.frame].image) for shot in opened.fetch([0, 20, 59]))


def test_damage_costs_frames_but_no_other_frame_its_number(video):
    damage(video, range(20, 23), skip=60)
    opened = open_video(video)
    shots = list(opened.frames())
    assert [shot.frame for shot in shots] == list(range(opened.n_frames))
    troubled = [shot.frame for shot in shots if shot.problem]
    assert all(shot.problem for shot in shots if shot.image is None)
    if video.suffix == ".mpg":  # a program stream loses packets, and then nobody knows that they were there
        assert opened.n_frames > N - 5
        first, last = 7, 26
    else:
        assert opened.n_frames == N
        first, last = 17, 52
    assert troubled
    assert min(troubled) >= first
    sound = [shot for shot in shots if shot.image is not None and not first <= 2 * shot.seconds <= last]
    assert max(abs(number_of(shot.image) - 2 * shot.seconds) for shot in sound) <= 1
    later = list(opened.frames(21))
    assert [shot.frame for shot in later] == list(range(21, opened.n_frames))


def test_a_packet_that_gives_no_image_is_an_unreadable_frame(tmp_path):
    file = film(tmp_path / "a.avi", "mjpeg")
    damage(file, range(20, 23), skip=0)
    unreadable = [shot for shot in open_video(file).frames() if shot.image is None]
    assert [shot.frame for shot in unreadable] == [20, 21, 22]
    assert all("damaged" in shot.problem for shot in unreadable)


def test_a_file_that_was_cut_short_gives_what_it_holds_and_says_so(tmp_path):
    file = film(tmp_path / "a.avi", "mjpeg")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    opened = open_video(file)
    assert 10 < len(list(opened.frames())) == opened.n_frames < N
    assert any("cut short" in note for note in opened.notes)


def test_frames_without_time_stamps_are_counted(tmp_path):
    opened = open_video(film(tmp_path / "a.mp4", "libx264"))
    stamped = list(opened.frames())
    opened.exact = False
    counted = list(opened.frames(5))
    assert [shot.frame for shot in counted] == list(range(5, N))
    assert all(same(a.image, b.image) for a, b in zip(counted, stamped[5:], strict=True))
    assert counted[0].seconds == 2.5


def test_the_size_of_frames_may_change(tmp_path):
    one, two = film(tmp_path / "one.h264", "libx264"), tmp_path / "two.h264"
    with av.open(str(two), "w") as container:
        stream = container.add_stream("libx264", rate=2)
        stream.width, stream.height, stream.pix_fmt = 96, 80, "yuv420p"
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((80, 96, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode())
    one.write_bytes(one.read_bytes() + two.read_bytes())
    shapes = [shot.image.shape for shot in open_video(one).frames() if shot.image is not None]
    assert shapes.count((64, 64, 3)) >= N - 1
    assert shapes.count((80, 96, 3)) >= 9


def test_a_name_may_be_no_text(tmp_path):
    file = tmp_path / os.fsdecode(b"p\xff.mp4")
    film(tmp_path / "a.mp4", "libx264").rename(file)
    opened = open_video(file)
    assert len(list(opened.frames())) == N
    opened.name.encode()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.mp4", b"", "is not a video"),
        ("a.mp4", b"not a video at all\n" * 100, "is not a video"),
        ("a.txt", b"a text, which FFmpeg would show as a film\n" * 100, "is not a video"),
        ("a.m3u8", b"#EXTM3U\n#EXTINF:1,\nother.mp4\n#EXT-X-ENDLIST\n", "is not a video"),
    ],
)
def test_what_is_no_video_is_one_line(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=says):
        open_video(tmp_path / name)


def test_a_codec_that_is_not_there_is_one_line(tmp_path):
    file = film(tmp_path / "a.avi", "mpeg4", b_frames=0)
    file.write_bytes(file.read_bytes().replace(b"FMP4", b"ZZZZ").replace(b"fmp4", b"zzzz"))
    with pytest.raises(UserError, match="no decoder"):
        open_video(file)


def test_sound_alone_is_no_video(tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(UserError, match="no pictures"):
        open_video(tmp_path / "a.mkv")


def test_a_video_without_frames_is_one_line(tmp_path):
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=2)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        container.start_encoding()
    with pytest.raises(UserError, match="without frames"):
        open_video(tmp_path / "a.avi")


def test_a_fingerprint_tells_videos_apart(tmp_path):
    one, two = film(tmp_path / "a.mp4", "libx264"), film(tmp_path / "b.mp4", "libx264", n=30)
    assert open_video(one).fingerprint() == open_video(one).fingerprint()
    assert open_video(one).fingerprint()["digest"] != open_video(two).fingerprint()["digest"]


def test_what_is_not_there_is_one_line(tmp_path):
    with pytest.raises(UserError, match="there is no video"):
        open_video(tmp_path / "none.mp4")

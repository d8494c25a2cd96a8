import pytest

from capsight.progress import track_frames


def test_frames_are_counted_and_an_error_comes_through(capsys):
    assert track_frames(iter([64, 64, 12]), "Reading [bold]a", total=240, done=100) == 140
    told = capsys.readouterr().err
    assert "240 of 240" in told
    assert "Reading [bold]a" in told  # a file's name is text
    assert track_frames(iter([]), "Reading nothing", total=0) == 0

    def broken():
        yield 3
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        track_frames(broken(), "Reading", total=10)

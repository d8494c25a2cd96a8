import av
import pytest

from capsight.data.known_videos import read_known
from capsight.data.phantom.examinations import make_examinations
from capsight.data.phantom.journey import HURRIED
from capsight.errors import UserError


def test_examinations_are_files_and_tables_and_are_drawn_once(tmp_path):
    how = {"devices": ("phantom_1", "phantom_3"), "patients": 4, "first_patient": 500, "frames": 90, "size": 32}
    how |= {"lesions": 1, "hurry": 1, "rest": 1}
    make_examinations(tmp_path, **how)
    videos, lesions = read_known(tmp_path)
    names = ["phantom_1_p500", "phantom_3_p500", "phantom_1_p501", "phantom_3_p501"]
    assert list(videos["patient"]) == names
    assert list(videos["video"]) == [f"{name}.mp4" for name in names]
    assert not (lesions["patient"] == names[3]).any()  # every fourth is healthy
    assert ((lesions["last"] - lesions["first"] + 1) == HURRIED).all()
    with av.open(str(tmp_path / videos["video"][0])) as container:
        assert sum(1 for _ in container.decode(video=0)) == 90
    times = {file: file.stat().st_mtime_ns for file in tmp_path.glob("*.mp4")}
    (tmp_path / "phantom_1_p500.mp4").unlink()
    make_examinations(tmp_path, **how)
    changed = [file.name for file in tmp_path.glob("*.mp4") if file.stat().st_mtime_ns != times[file]]
    assert changed == ["phantom_1_p500.mp4"]
    with pytest.raises(UserError, match="other settings"):
        make_examinations(tmp_path, **how | {"size": 34})

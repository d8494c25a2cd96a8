import pandas as pd
import pytest

from capsight.data.known_videos import read_known, write_known
from capsight.errors import UserError


def test_known_videos_say_what_is_wrong(tmp_path):
    videos = pd.DataFrame({"video": ["a.mp4", "b"], "patient": ["007", "p"]})
    row = {"video": "a.mp4", "patient": "007", "finding": "polyp", "lesion": 1, "first": 3, "last": 5}
    write_known(tmp_path, videos, pd.DataFrame([row]))
    read, lesions = read_known(tmp_path)
    assert list(read["patient"]) == ["007", "p"]
    assert lesions.to_dict("records") == [row]
    wrong = [[row | {"last": 2}], [row | {"video": "c"}], [row, row], [row | {"first": None}], [row | {"patient": "p"}]]
    for rows in wrong:
        write_known(tmp_path, videos, pd.DataFrame(rows))
        with pytest.raises(UserError, match=r"lesions\.csv"):
            read_known(tmp_path)
    write_known(tmp_path, videos, pd.DataFrame([]))
    assert len(read_known(tmp_path)[1]) == 0  # nobody has a lesion
    write_known(tmp_path, pd.concat([videos, videos]), pd.DataFrame([]))
    with pytest.raises(UserError, match="once"):
        read_known(tmp_path)
    (tmp_path / "lesions.csv").unlink()
    with pytest.raises(UserError, match="missing"):
        read_known(tmp_path)

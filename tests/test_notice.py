"""The notice stands in every kind of output, and is written down once."""

import json
import re
from pathlib import Path

from capsight.files import write_result
from capsight.notice import NOTICE

SOURCE = Path(__file__).parents[1] / "src"


def test_every_result_ends_with_it(tmp_path):
    write_result({"n_frames": 3}, tmp_path / "result.json")
    assert list(json.loads((tmp_path / "result.json").read_text()).items()) == [("n_frames", 3), ("notice", NOTICE)]


def test_every_whole_page_has_it_in_its_footer():
    pages = [file.read_text() for file in (SOURCE / "capsight" / "report").glob("*.html.j2")]
    whole = [page for page in pages if "</html>" in page]
    assert len(whole) >= 3 and all(re.search(r"<footer>.*notice }}.*</footer>", page, re.DOTALL) for page in whole)


def test_it_is_written_down_once():
    texts = [file for kind in ("*.py", "*.j2") for file in SOURCE.rglob(kind) if NOTICE in file.read_text()]
    assert texts == [SOURCE / "capsight" / "notice.py"]

from capsight.report.reading_words import remarks, summary


def test_the_summary_counts():
    events = [{"uncertain": True}, {"uncertain": False}]
    assert summary(50_000, events, 0, 2.0) == "50,000 frames (6:56:40), 2 events, 1 of them uncertain."
    assert summary(1, [], 1, None) == "1 frame, 0 events; 1 frame could not be read."


def test_remarks_say_what_is_missing_and_nothing_else():
    assert remarks(10, 2, 0, 2) == remarks(10, 0, 0, 0) == []
    assert remarks(0, 0, 0, 0) == ["The video holds no frame."]
    assert "1 frame (10.0 %) could not be read" in remarks(10, 0, 1, 0)[0]
    assert "nothing can be said about this video" in remarks(10, 0, 10, 0)[0]
    assert remarks(10, 2, 0, 0)[0].startswith("No pictures were kept")
    assert "1 event of 2 has no picture" in remarks(10, 2, 0, 1)[0] and "2 events of 3 have" in remarks(10, 3, 0, 1)[0]

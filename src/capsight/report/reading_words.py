"""What a reading says of itself in plain words: how much was read, and what to know before its events are believed."""

from capsight.report.tables import counted


def summary(n_frames: int, events: list[dict], unreadable: int, frames_per_second: float | None) -> str:
    """Say in one sentence what was read and found."""
    lasts = f" ({_clock(n_frames / frames_per_second)})" if frames_per_second else ""
    told = f"{counted(n_frames, 'frame')}{lasts}, {counted(len(events), 'event')}"
    uncertain = sum(event["uncertain"] for event in events)
    told += f", {uncertain:,} of them uncertain" if uncertain else ""
    return f"{told}; {counted(unreadable, 'frame')} could not be read." if unreadable else f"{told}."


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def remarks(n_frames: int, n_events: int, unreadable: int, with_picture: int) -> list[str]:
    """Return what the reader must know before the events are believed, a sentence each."""
    told = []
    if not n_frames:
        told.append("The video holds no frame.")
    elif unreadable == n_frames:
        told.append("No frame could be read, so nothing can be said about this video. Look at the video itself.")
    elif unreadable:
        share = f"{counted(unreadable, 'frame')} ({100 * unreadable / n_frames:.1f} %)"
        told.append(f"{share} could not be read, and nothing is known of what they show; they are black in the strip.")
    missing = n_events - with_picture
    if missing and not with_picture:
        told.append("No pictures were kept of this reading: look the events up in the video by their time.")
    elif missing == 1:
        told.append(f"1 event of {n_events:,} has no picture here; look it up in the video by time.")
    elif missing:
        told.append(f"{missing:,} events of {n_events:,} have no picture here; look them up in the video by time.")
    return told

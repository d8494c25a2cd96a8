"""What the numbers of reading_study.json say in plain words, also where they disappoint."""

from capsight.report.tables import Interval, counted, interval
from capsight.report.words import listed

WAYS = {
    "events": "events",
    "probability": "first by probability",
    "evenly": "evenly spaced",
    "frames": "frame by frame",
}
TOLD = {  # what somebody looks at who does not have the events
    "probability": "the most probable frames first",
    "evenly": "evenly spaced frames",
    "frames": "all frames above a threshold in the order of time",
}
SHORT = 3  # frames
WORTH = 1.1  # times as many frames, from which on a difference is worth a word
MOST = 0.25  # of a video: who must see so much of it saves little
FEW_FRAMES = 100


def tell(study: dict) -> list[str]:
    """Return the sentences of one paragraph: does it save time?"""
    ours = needed(study, "events")
    told = [_verdict(study), f"There are {_size(study)}."]
    if ours.value is None:
        return [*told, f"How many frames show {_target(study)} of the lesions cannot be said: {ours.reason}."]
    per_video = study["n_frames"] / max(study["n_videos"], 1)
    told += [
        f"Who looks at the best frame of each event, the most suspicious first, and then at the most probable frames "
        f"away from those, has seen {_target(study)} of the lesions after {whole(ours)} frames per video, of "
        f"{per_video:,.0f} that a video has on average."
    ]
    vain = interval(study["ways"]["events"], ("false_frames_at_target",))
    told += [f"Of these frames {whole(vain)} per video show no lesion."] if vain.value is not None else []
    told += [_against(study, way) for way in TOLD]
    return [*told, *_at(study), _alarms(study), *_short(study), *_hardest(study)]


def needed(study: dict, way: str) -> Interval:
    """Return how many frames a way needs for the target."""
    return interval(study["ways"][way], ("frames_for_target",))


def whole(number: Interval) -> str:
    """Return "1,024 (900 to 2,000)", or with one digit more below 10."""
    return _bounded(number, lambda value: f"{value:,.0f}" if value >= 10 else f"{value:,.1f}".removesuffix(".0"))


def times(number: Interval) -> str:
    """Return "2.4 (1.1 to 5.0)"."""
    return _bounded(number, lambda value: f"{value:,.1f}" if value < 100 else f"{value:,.0f}")


def percent(number: Interval) -> str:
    """Return "62 % (40 to 80)"."""
    bounds = f" ({100 * number.low:.0f} to {100 * number.high:.0f})" if number.has_bounds else ""
    return f"{100 * number.value:.0f} %{bounds}"


def _bounded(number: Interval, said) -> str:
    return said(number.value) + (f" ({said(number.low)} to {said(number.high)})" if number.has_bounds else "")


def _target(study: dict) -> str:
    return f"{100 * study['target']:.0f} %"


def _size(study: dict) -> str:
    videos = f"{counted(study['n_videos'], 'video')} of {counted(study['n_patients'], 'patient')}"
    lesions = f"{counted(study['n_lesions'], 'lesion')} in {counted(study['n_patients_with_lesion'], 'patient')}"
    return f"{videos} ({counted(study['n_frames'], 'frame')}) with {lesions}"


def _compared(study: dict, way: str) -> str:
    """Tell whether the events need fewer frames than a way: fewer, more, unsure, or nothing where it is not known."""
    number = interval(study["times_as_many"], (way,))
    if number.value is None:
        return ""
    if not number.has_bounds:
        return "unsure"
    return "fewer" if number.low > WORTH else "more" if number.high < 1 / WORTH else "unsure"


def _verdict(study: dict) -> str:
    found = {way: _compared(study, way) for way in TOLD}
    fewer, more, unsure = ([TOLD[way] for way in TOLD if found[way] == kind] for kind in ("fewer", "more", "unsure"))
    ours, per_video = needed(study, "events").value, study["n_frames"] / max(study["n_videos"], 1)
    if ours is not None and ours > MOST * per_video:
        return _missed(study, ours, per_video)
    parts = [f"fewer frames than {listed(fewer)}"] if fewer else []
    parts += [f"more frames than {listed(more)}"] if more else []
    if not parts:
        return _unsure(study)
    saved = "Events save time here" if fewer and not more else "Events save no time here"
    if fewer and more:
        saved = "Events save time here against some ways of reading, and not against others"
    rest = f"; against {listed(unsure)} the difference may be chance" if unsure else ""
    return f"{saved}: a physician needs {' and '.join(parts)} to see {_target(study)} of the lesions{rest}."


def _missed(study: dict, ours: float, per_video: float) -> str:
    """Say that the target takes most of the video, because events miss lesions."""
    shown = interval(study["alarms"]["events"], ("lesion_sensitivity",))
    few = f"; within {FEW_FRAMES} frames they show {sure}" if (sure := _sure(study)) else ""
    return (
        f"Events do not save time for who wants to see {_target(study)} of the lesions: that takes {ours:,.0f} of "
        f"{per_video:,.0f} frames. The best frames of all events together show {percent(shown)}{few}."
    )


def _unsure(study: dict) -> str:
    """Say what is sure where the number of frames for the target is not."""
    if not (sure := _sure(study)):
        return "Whether events save time cannot be said here: no difference to another way of reading is sure."
    return (
        f"Within {FEW_FRAMES} frames per video events show {sure}; whether they need fewer frames to show "
        f"{_target(study)} of them may be chance."
    )


def _sure(study: dict) -> str:
    """Say than which ways events show more or fewer lesions for sure, where FEW_FRAMES are shown; "" for none."""
    shown = study["shown"].get(str(FEW_FRAMES), {})
    more = {way: interval(shown[way], ("more_by_events",)) for way in TOLD if way in shown}
    known = {way: number for way, number in more.items() if number.has_bounds}
    better, worse = (
        listed([TOLD[way] for way, number in known.items() if sign(number)])
        for sign in (lambda number: number.low > 0, lambda number: number.high < 0)
    )
    parts = [f"more lesions than {better}"] if better else []
    return " and ".join([*parts, *([f"fewer lesions than {worse}"] if worse else [])])


def _against(study: dict, way: str) -> str:
    other, ratio = needed(study, way), interval(study["times_as_many"], (way,))
    if other.value is None or ratio.value is None:
        return f"For {TOLD[way]} it cannot be said: {other.reason or ratio.reason}."
    meaning = {"unsure": ", which may be chance", "more": ", fewer than by events"}.get(_compared(study, way), "")
    return f"With {TOLD[way]} it takes {whole(other)} frames, {times(ratio)} times as many{meaning}."


def _at(study: dict) -> list[str]:
    """Compare the ways where as many frames are shown."""
    if (shown := study["shown"].get(str(FEW_FRAMES))) is None:
        return []
    ours = interval(shown["events"], ("lesion_sensitivity",))
    others = {way: interval(shown[way], ("lesion_sensitivity",)) for way in TOLD}
    told = listed([f"{TOLD[way]} show {percent(number)}" for way, number in others.items()])
    sure = _sure(study)
    meaning = f"it is sure that events show {sure}" if sure else "no difference is sure"
    return [f"Of {FEW_FRAMES} frames per video, events show {percent(ours)} of the lesions; {told}; {meaning}."]


def _alarms(study: dict) -> str:
    def of(way: str, name: str) -> Interval:
        return interval(study["alarms"][way], (name,))

    told = []
    for way, what in (("events", "events are found per video"), ("frames", "frames per video are above a threshold")):
        all_of_them, vain, found = (of(way, name) for name in ("per_video", "false_per_video", "lesion_sensitivity"))
        seen = f"; these show {percent(found)} of the lesions" if found.value is not None else ""
        told.append(f"{whole(all_of_them)} {what}, {whole(vain)} of them where no lesion is{seen}")
    return ". ".join(told) + "."


def _short(study: dict) -> list[str]:
    """Tell of the lesions that are in view for a moment only."""
    short = [row for row in study["lesions"] if row["last"] - row["first"] < SHORT]
    if not short:
        return []
    limit = needed(study, "events").value
    seen = sum(row["found_at"]["events"] is not None and row["found_at"]["events"] <= limit for row in short)
    lesions = counted(len(short), "lesion")
    return [f"Of {lesions} in view for {SHORT} frames or fewer, {seen} are among what is shown by then."]


def _hardest(study: dict) -> list[str]:
    parts = {
        name: interval(part["ways"]["events"], ("frames_for_target",)) for name, part in study["by_finding"].items()
    }
    known = {name: number for name, number in parts.items() if number.value is not None}
    if len(known) < 2:
        return []
    most = max(known, key=lambda name: known[name].value)
    return [f"Hardest is {most}: {_target(study)} of its lesions take {whole(known[most])} frames."]

"""Averages over targets: of each method, and of the methods that a selection protocol chooses."""

from collections.abc import Callable, Iterable
from itertools import groupby

from capsight.evaluation.shift.cells import Line
from capsight.evaluation.shift.choosing import Chosen, Scores, choose_method
from capsight.evaluation.shift.lines import summarise
from capsight.evaluation.shift.measured import Measured
from capsight.evaluation.shift.recovery import average


def averages(chosen: Chosen, measured: Measured) -> list[dict]:
    """Average each method over the targets that it was used on, apart for different numbers of source devices."""

    def kind(line: Line) -> tuple:
        return len(line.source), line.objective or "", not line.is_baseline, line.adaptation, line.k

    blocks = []
    for lines in _grouped(chosen, kind):
        if block := average(lines, chosen, measured):
            facts = {key: value for key, value in lines[0].facts().items() if key not in ("source", "target")}
            blocks.append(facts | block)
    return blocks


def choices(protocol: str, chosen: Chosen, scores: Scores, measured: Measured) -> tuple[list[dict], list[dict]]:
    """Return the method without target labels that a protocol chooses for each target, and the averages of these.

    chosen: the settings that the same protocol chooses.
    """
    lines = [line for _, line in sorted(choose_method(chosen, scores, protocol).items(), key=str)]
    each = [summarise(line, chosen, measured) | {"selection": protocol} for line in lines]
    whole = []
    for group in _grouped(lines, lambda line: (len(line.source), line.objective or "")):
        if block := average(group, chosen, measured):
            of = {"objective": group[0].objective} if group[0].objective else {}
            whole.append({"selection": protocol, "adaptations": [line.adaptation for line in group]} | of | block)
    return each, whole


def _grouped(lines: Iterable[Line], key: Callable[[Line], tuple]) -> list[list[Line]]:
    return [list(group) for _, group in groupby(sorted(lines, key=key), key=key)]

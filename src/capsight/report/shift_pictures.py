"""The pictures of the page about a change of capsule, as data URIs, from the content of shift.json."""

from collections.abc import Sequence

from capsight.report import plots, shift_plots, trust_plots
from capsight.report.shift_blocks import (
    OTHERS,
    alike,
    baselines,
    called,
    devices_of,
    home_of,
    is_baseline,
    line_of,
    objective_of,
    source_name,
)
from capsight.report.shift_words import VIEWS, percent
from capsight.report.tables import Interval, counted, interval
from capsight.report.trust.parts import of_100


def matrix(shift: dict) -> str:
    """Return the source × target matrix of the source's model as it is, one row more for each objective."""
    devices = devices_of(shift)
    numbers: dict[tuple[str, str], tuple[Interval, bool]] = {}
    for one in (one for one in shift["summary"] if is_baseline(one)):
        name = source_name(one["source"], one["target"], devices) + objective_of(one)
        numbers[name, one["target"]] = interval(one, ("mean_auroc",)), False
        if len(one["source"]) == 1:
            numbers[name, one["source"][0]] = interval(home_of(shift, one), ("mean_auroc",)), True
        elif name.startswith(OTHERS):
            numbers[f"{name}, at home", one["target"]] = interval(home_of(shift, one), ("mean_auroc",)), True
    rows = list(dict.fromkeys(row for row, _ in numbers))
    columns = [name for name in devices if any(column == name for _, column in numbers)]
    squares = [
        shift_plots.Square(rows.index(row), columns.index(column), number, home)
        for (row, column), (number, home) in numbers.items()
    ]
    return plots.data_uri(shift_plots.matrix(rows, columns, squares))


def curves(shift: dict) -> str | None:
    """Return the curves over k: the averages over targets first; None where no method was used with labels."""
    lines = sorted({line_of(one) for one in shift["summary"] if one["k"]})
    if not lines:
        return None
    devices, panels = devices_of(shift), []
    for n in sorted({base["n_sources"] for base in baselines(shift)}):
        bases = [base for base in baselines(shift) if base["n_sources"] == n]
        if (targets := len(bases[0]["targets"])) > 1:
            blocks = [block for block in shift["averages"] if block["n_sources"] == n]
            homes = [interval(base, ("home",)) for base in bases]
            panels.append(_panel(f"average of {targets} targets", bases, homes, blocks, lines))
    for source, target in dict.fromkeys((tuple(one["source"]), one["target"]) for one in shift["summary"]):
        blocks = [one for one in shift["summary"] if (tuple(one["source"]), one["target"]) == (source, target)]
        bases = [one for one in blocks if is_baseline(one)]
        homes = [interval(home_of(shift, base), ("mean_auroc",)) for base in bases]
        panels.append(_panel(f"{source_name(source, target, devices)} → {target}", bases, homes, blocks, lines))
    panels = [panel for panel in panels if panel.lines]
    return plots.data_uri(shift_plots.curves(panels))


def _panel(title: str, bases: list[dict], homes: list[Interval], blocks: list[dict], lines: list) -> shift_plots.Panel:
    """One panel; a method that is not used without labels begins at the source's model as it is."""
    before = {base.get("objective") or "": interval(base, ("mean_auroc",)) for base in bases}
    drawn = []
    for index, line in enumerate(lines):
        own = {one["k"]: interval(one, ("mean_auroc",)) for one in blocks if line_of(one) == line}
        if any(own):
            own = dict(sorted(({0: before[line[1]]} | own if line[1] in before else own).items()))
            drawn.append((", ".join(filter(None, line)), index, list(own), list(own.values())))
    return shift_plots.Panel(title, homes, list(before.values()), drawn)


def shares(shift: dict) -> str | None:
    """Return the forest plot of what each method wins back on average; the choices of the protocols come first.

    None where no share is known: the table beside it says why.
    """
    rows = []
    for base in baselines(shift):
        chosen = alike(shift["choices_averaged"], base)
        rows += [_chosen_row(shift, block, base) for block in chosen]
        methods = [b for b in alike(shift["averages"], base) if not is_baseline(b)]
        methods.sort(key=lambda b: (b["k"] > 0, -(interval(b, ("recovered",)).value or 0)))
        for block in methods:
            targets = [one for one in shift["summary"] if line_of(one) == line_of(block) and one["k"] == block["k"]]
            colour = plots.OKABE_ITO[1] if block["k"] else plots.OKABE_ITO[0]
            few = len(block["targets"]) < len(base["targets"])
            name = called(block) + (f", on {counted(len(block['targets']), 'target')}" if few else "")
            rows.append(_share(name, colour, block, targets, base))
    known = any(row.number.value is not None or row.targets for row in rows)
    return plots.data_uri(shift_plots.shares(rows)) if known else None


def _chosen_row(shift: dict, block: dict, base: dict) -> shift_plots.Share:
    targets = [one for one in shift["choices"] if one["selection"] == block["selection"]]
    targets = [one for one in targets if one.get("objective") == block.get("objective")]
    return _share(f"chosen by {block['selection']}{objective_of(block)}", plots.INK, block, targets, base, heading=True)


def _share(
    name: str, colour: str, block: dict, targets: Sequence[dict], base: dict, heading: bool = False
) -> shift_plots.Share:
    number = interval(block, ("recovered",))
    each = [interval(one, ("recovered",)).value for one in targets if len(one["source"]) == base["n_sources"]]
    known = [value for value in each if value is not None]
    return shift_plots.Share(name, colour, number, "" if number.value is None else percent(number), known, heading)


def thresholds(shift: dict) -> str | None:
    """Return the specificity and sensitivity of the source's thresholds, at home and on each target."""
    panels = [
        trust_plots.DotPanel(f"Specificity (chosen: {of_100(shift['specificity'])} %)", shift["specificity"]),
        trust_plots.DotPanel("Sensitivity at the same threshold", None),
    ]
    return _dots(shift, ("specificity", "sensitivity"), panels)


def calibration(shift: dict) -> str | None:
    """Return the calibration errors before and after a scaling that was fitted on the source."""
    titles = ("Error of the plain probabilities", "After the source's temperature")
    return _dots(shift, ("ece", "ece_calibrated"), [trust_plots.DotPanel(title, None) for title in titles])


def control(shift: dict) -> str:
    """Return how well the device is told from parts of the frame."""
    views = {VIEWS[name]: interval(of, ("balanced_accuracy",)) for name, of in shift["control"]["views"].items()}
    rows = [
        trust_plots.Row(name, plots.OKABE_ITO[0], False, False, [number], [_remark(number)], [False])
        for name, number in views.items()
    ]
    panel = trust_plots.DotPanel("The device is told right (balanced accuracy)", shift["control"]["chance"])
    return plots.data_uri(trust_plots.dot_panels([panel], rows))


def _dots(shift: dict, names: Sequence[str], panels: list) -> str | None:
    devices, rows = devices_of(shift), []
    for index, finding in enumerate(shift["findings"]):
        colour = plots.finding_colour(index)
        seen = set()
        for one in (one for one in shift["summary"] if is_baseline(one)):
            home, source = home_of(shift, one), source_name(one["source"], one["target"], devices)
            if source != OTHERS and (source, one.get("objective")) not in seen:
                rows.append(_row(f"{finding}: {source}, at home", colour, home, finding, names, True))
                seen.add((source, one.get("objective")))
            elif source == OTHERS and finding not in seen:
                rows.append(_row(f"{finding}: at home, but {one['target']}", colour, home, finding, names, True))
                seen.add(finding)
            label = one["target"] if source == OTHERS else f"→ {one['target']}"
            rows.append(_row(label + objective_of(one), colour, one, finding, names, False))
    rows = [row for row in rows if any(number.value is not None for number in row.numbers)]
    return plots.data_uri(trust_plots.dot_panels(panels, rows)) if rows else None


def _row(label: str, colour: str, block: dict, finding: str, names: Sequence[str], home: bool) -> trust_plots.Row:
    numbers = [interval(block["findings"].get(finding), (name,)) for name in names]
    remarks = [_remark(number) for number in numbers]
    return trust_plots.Row(label, colour, home, not home, numbers, remarks, [False] * len(numbers))


def _remark(number: Interval) -> str:
    return "" if number.value is None else f"{of_100(number.value)} %"

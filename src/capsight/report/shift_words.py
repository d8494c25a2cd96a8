"""What the numbers of shift.json say in plain words, also where they disappoint."""

from collections.abc import Sequence

from capsight.report.shift_blocks import alike, baselines, called, is_baseline
from capsight.report.tables import Interval, interval
from capsight.report.words import listed

PROTOCOLS = {
    "source_validation": "the source's validation patients",
    "target_unlabelled": "the target's frames without their labels",
    "target_labelled_oracle": "hidden labels of the target, which nobody has",
}
MINUS = "\u2212"
VIEWS = {"centre": "tissue alone", "whole": "whole frame", "border": "mask and border alone"}


def tell(shift: dict) -> list[str]:
    """Return the sentences of one paragraph that says what the numbers mean; "words" of shift.json."""
    told = [sentence for block in baselines(shift) for sentence in _closing(shift, block)]
    return [
        *(told or ["No target could be compared with its source."]),
        *_threshold(shift),
        *_calibration(shift),
        *_control(shift),
    ]


def percent(number: Interval) -> str:
    """Return "62 % (40 to 80)" of a share."""
    bounds = f" ({signed(100 * number.low, 0)} to {signed(100 * number.high, 0)})" if number.has_bounds else ""
    return f"{signed(100 * number.value, 0)} %{bounds}"


def decimal(number: Interval) -> str:
    """Return "0.62 (0.40 to 0.80)"."""
    bounds = f" ({signed(number.low, 2)} to {signed(number.high, 2)})" if number.has_bounds else ""
    return f"{signed(number.value, 2)}{bounds}"


def signed(value: float, digits: int) -> str:
    """Return a number that may be below 0; what is 0 when rounded has no sign."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", MINUS)


def _closing(shift: dict, base: dict) -> list[str]:
    """Tell the drop of one kind of training, and what wins it back."""
    told = _drop(shift, base)
    drop = interval(base, ("drop",))
    if not (drop.has_bounds and drop.low > 0):
        return told
    whole = [b for b in alike(shift["choices_averaged"], base) if b["selection"] != "target_labelled_oracle"]
    told += [_chosen(shift, block) for block in whole if interval(block, ("recovered",)).value is not None]
    return told + _best(shift, base) + _labelled(shift, base)


def _drop(shift: dict, base: dict) -> list[str]:
    home, there, drop = (interval(base, (name,)) for name in ("home", "mean_auroc", "drop"))
    n, targets = base["n_sources"], base["targets"]
    model = "A model of one capsule" if n == 1 else f"A model of {n} capsules"
    model += f" ({base['objective']})" if base.get("objective") else ""
    where = f"on {targets[0]}" if len(set(targets)) == 1 else f"over {len(set(targets))} capsules"
    told = f"{model} has a mean AUROC of {decimal(home)} on new patients of its own, and {decimal(there)} {where}"
    told = f"{told} that it was not trained on"
    if not drop.has_bounds:
        return [f"{told}; how sure that difference is cannot be said: {drop.reason}."]
    if drop.low > 0:
        return [f"{told}: a drop of {decimal(drop)}.", *_where(shift, base)]
    if drop.high < 0:
        return [f"{told}, which is better: the new capsule costs it nothing here."]
    return [f"{told}: the difference of {decimal(drop)} may be chance, so there is nothing sure to win back."]


def _where(shift: dict, base: dict) -> list[str]:
    """Name the targets with the largest and the smallest drop."""
    pairs = [one for one in shift["summary"] if is_baseline(one) and len(one["source"]) == base["n_sources"]]
    drops = {
        (tuple(one["source"]), one["target"]): number
        for one in pairs
        if one.get("objective") == base.get("objective") and (number := interval(one, ("drop",))).value is not None
    }
    if len(drops) < 3:
        return []

    def named(pair: tuple) -> str:
        source, target = pair
        return f"from {source[0]} to {target}" if len(source) == 1 else f"on {target}"

    worst, best = max(drops, key=lambda pair: drops[pair].value), min(drops, key=lambda pair: drops[pair].value)
    return [
        f"It is largest {named(worst)}, {decimal(drops[worst])}, and smallest {named(best)}, {decimal(drops[best])}."
    ]


def _chosen(shift: dict, block: dict) -> str:
    methods = sorted(set(block["adaptations"]))
    by = f"By the score on {PROTOCOLS[block['selection']]}"
    if methods == ["none"]:
        return f"{by}, none of the methods without labels would have been chosen: the model stays as it is."
    names = listed([called({"adaptation": name, "k": 0}) for name in methods])
    return f"{by}, {names} would have been chosen, which wins back {percent(interval(block, ('recovered',)))} of it."


def _best(shift: dict, base: dict) -> list[str]:
    """Name the label-free method with the largest share on the test patients, which flatters it."""
    free = [b for b in alike(shift["averages"], base) if b["k"] == 0 and not is_baseline(b)]
    free = [b for b in free if interval(b, ("recovered",)).value is not None]
    if not free:
        return []
    most = max(free, key=lambda b: interval(b, ("recovered",)).value)
    share = interval(most, ("recovered",))
    few = f" (on {len(set(most['targets']))} of the targets)" if set(most["targets"]) != set(base["targets"]) else ""
    name = most["adaptation"] + few
    if share.value <= 0:
        return [f"No method without labels of the target wins anything back; the best, {name}, {percent(share)}."]
    unsure = ", which may be chance" if share.has_bounds and share.low <= 0 else ""
    told = f"Without labels of the target {name} did best on the test patients: {percent(share)}{unsure}"
    hindsight = f"; that is known only afterwards, and the best of {len(free)} looks better than it is"
    return [f"{told}{hindsight if len(free) > 1 else ''}."]


def _labelled(shift: dict, base: dict) -> list[str]:
    """Tell what labelled frames of the target win back, method by method."""
    told: dict[str, list[str]] = {}
    for block in alike(shift["averages"], base):
        share = interval(block, ("recovered",))
        if block["k"] and share.value is not None:
            told.setdefault(block["adaptation"], []).append(f"{percent(share)} with {block['k']}")
    methods = "; ".join(f"{name} {listed(parts)}" for name, parts in told.items())
    return [f"With labelled frames of the target for each class, this much is won back: {methods}."] if told else []


def _threshold(shift: dict) -> list[str]:
    """Name the place where the source's threshold moves most."""
    moved = {
        (one["target"], finding): numbers
        for one in shift["summary"]
        if is_baseline(one)
        for finding, numbers in one["findings"].items()
        if interval(numbers, ("specificity",)).value is not None
    }
    if not moved:
        return []
    (target, finding), numbers = max(
        moved.items(), key=lambda item: abs(item[1]["specificity"]["value"] - shift["specificity"])
    )
    chosen, becomes, found = (
        shift["specificity"],
        interval(numbers, ("specificity",)),
        interval(numbers, ("sensitivity",)),
    )
    told = f"The threshold that the source chose for a specificity of {chosen:.2f} moves most for {finding} on {target}"
    rest = f" at a sensitivity of {decimal(found)}" if found.value is not None else ""
    return [f"{told}: there it has a specificity of {decimal(becomes)}{rest}."]


def _calibration(shift: dict) -> list[str]:
    def mean(blocks: Sequence[dict], name: str) -> float | None:
        numbers = [interval(numbers, (name,)).value for block in blocks for numbers in block["findings"].values()]
        known = [number for number in numbers if number is not None]
        return sum(known) / len(known) if known else None

    there = [one for one in shift["summary"] if is_baseline(one)]
    home, before, after = mean(shift["homes"], "ece"), mean(there, "ece"), mean(there, "ece_calibrated")
    if None in (home, before, after):
        return []
    told = (
        f"Probabilities are off by {100 * home:.0f} of 100 on average at home and by {100 * before:.0f} on the targets"
    )
    verb = "leaves" if abs(after - before) < 0.005 else "brings this down to" if after < before else "makes it"
    return [f"{told}; a temperature that was fitted on the source {verb} {100 * after:.0f}."]


def _control(shift: dict) -> list[str]:
    if not shift.get("control"):
        return []
    views = {name: interval(of, ("balanced_accuracy",)) for name, of in shift["control"]["views"].items()}
    if any(number.value is None for number in views.values()):
        return []
    told = listed([f"{VIEWS[name]} in {percent(number)}" for name, number in views.items()])
    centre, chance = views["centre"], shift["control"]["chance"]
    sure = centre.low is not None and centre.low > chance
    meaning = (
        "so the capsules differ in the picture of the tissue itself, and not in mask or burned-in text alone"
        if sure
        else "so what tells the capsules may be mask or burned-in text rather than the picture of the tissue"
    )
    told = f"Without any model, simple features tell the device from {told}, where chance is {100 * chance:.0f} %"
    return [f"{told}: {meaning}."]

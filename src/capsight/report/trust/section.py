"""The Trust section of a report: five questions, each answered in words, then in curves, then in tables."""

from capsight.report.trust.calibration import calibration
from capsight.report.trust.guarantee import promises
from capsight.report.trust.likeness import likeness
from capsight.report.trust.operating import operating_points
from capsight.report.trust.parts import Question, findings, places
from capsight.report.trust.referral import referral

KEYS = ("calibration", "selective", "conformal", "ood", "operating_points")


def trust(run: dict, metrics: dict) -> list[Question]:
    """Return the questions about how far the model can be trusted; [] where nothing of it was measured.

    run: what is known about the training; metrics: the content of metrics.json. Whatever the data cannot support is
    said in words, with its reason.
    """
    if not any(metrics.get(key) for key in KEYS):
        return []
    spots, colours = places(run, metrics), findings(metrics)
    return [
        calibration(spots, colours),
        referral(spots, colours),
        promises(spots, colours),
        likeness(run, metrics),
        operating_points(spots, colours),
    ]

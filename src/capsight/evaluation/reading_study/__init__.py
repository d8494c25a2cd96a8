"""Does it save time? What a physician finds who looks at so many frames of each video, chosen in four ways."""

from capsight.evaluation.reading_study.cases import WAYS, Case, make_case
from capsight.evaluation.reading_study.measure import measure_study

__all__ = ["WAYS", "Case", "make_case", "measure_study"]

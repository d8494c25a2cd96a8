"""Joint training: the labelled frames of the target are more frames to train with."""

from capsight.adaptation.base import Adaptation


class Joint(Adaptation):
    """Pool the target's labelled frames with the source's, and draw batches by class and patient from all of them.

    It is what anyone would do first, and what few-shot training is to be held against: a few frames of the target come
    as seldom as their patients' turns. Ben-David et al. 2010, A theory of learning from different domains (Machine
    Learning 79), section 5, with all frames of one weight.
    """

    needs_labels = True
    labelled_frames = None  # no share of their own in a batch

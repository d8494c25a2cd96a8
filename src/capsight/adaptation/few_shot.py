"""Few-shot: some labelled frames of the target in every batch, whose triplets join both capsules."""

from capsight.adaptation.base import Adaptation


class FewShot(Adaptation):
    """Mix a fixed number of labelled target frames into every batch of source frames.

    The model's own loss does the rest: all known frames are classified, and a triplet's anchor, positive and negative
    may be of either capsule, so that frames of a class come together across capsules (Hermans et al. 2017,
    arXiv:1703.07737, on the joined batch). The target's few frames come again and again, by class and patient in turns.

    source_frames, target_frames: of a batch. Raises ValueError for other numbers than whole ones of 1 or
    more.
    """

    needs_labels = True

    def __init__(self, *, source_frames: int = 50, target_frames: int = 14):
        super().__init__()
        if not all(isinstance(frames, int) and frames >= 1 for frames in (source_frames, target_frames)):
            raise ValueError("source_frames and target_frames are whole numbers of 1 or more")
        self.labelled_frames = (source_frames, target_frames)

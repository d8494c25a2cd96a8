"""Batches for training with triplets: P classes, K frames of each, from as many patients as there are."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from capsight.errors import UserError

PLAN, SEEDS, KEPT = 0, 1, 2  # tags that keep the streams of random numbers apart


class PatientBalancedBatches:
    """Lists of (row, sample seed): P = `classes_per_batch` classes, K = `frames_per_class` frames of each.

    classes: (n,) integer, one per row; rows with a negative class (-1) are not used. patients: (n,) names or
    numbers; a row whose patient is missing stands alone. batches: per epoch; by default as many frames are
    drawn as are used. For `DataLoader(batch_sampler=...)`; the dataset gets the pairs.

    Three decks are shuffled and drawn from without repetition until they are empty: the classes, the patients
    of a class, and the frames of a patient. So classes come equally often, the patients of a class take turns
    whatever their numbers of frames, and no frame comes again before all others of its patient and class.
    The K frames of a class come from K patients where it has so many, and are K different frames where it
    has so many; a smaller class repeats frames. Where there are fewer than P classes, all are taken.

    With world > 1 processes, a batch is dealt to the ranks: each draws the same K frames of a class and takes
    its share, K / world give or take one, so that the ranks' parts are disjoint and join to the batch of one
    process. The batches are a pure function of (seed, epoch), and a sample's seed is one of (seed, epoch, step,
    place in the joined batch): augmentation depends neither on workers nor on ranks nor on resuming.

    Raises UserError where no row has a class, or a number is out of its range.
    """

    def __init__(
        self,
        classes: Sequence[int] | np.ndarray,
        patients: Sequence | np.ndarray | pd.Series,
        *,
        classes_per_batch: int,
        frames_per_class: int,
        batches: int | None = None,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ):
        classes = np.asarray(classes)
        if classes.dtype.kind not in "iu" or classes.shape != (len(patients),):
            raise UserError(
                f"batches: one integer class per row is needed, -1 where unknown; got {classes.dtype} "
                f"{classes.shape} for {len(patients)} patients"
            )
        for name, number, least in (
            ("classes_per_batch", classes_per_batch, 1),
            ("frames_per_class", frames_per_class, 1),
            ("batches", 1 if batches is None else batches, 1),
            ("seed", seed, 0),
        ):
            if number < least:
                raise UserError(f"batches: {name}={number}; at least {least} is needed")
        if not 0 <= rank < world:
            raise UserError(f"batches: rank {rank} of {world} processes; ranks run from 0 to {world - 1}")
        if frames_per_class < world:
            raise UserError(
                f"batches: frames_per_class={frames_per_class} cannot be dealt to {world} processes; at least {world} "
                "are needed"
            )
        used = np.flatnonzero(classes >= 0)
        if not len(used):
            raise UserError("batches: no frame has a known class; check the findings and the split")
        self.frames = _patients_by_class(used, classes, patients)
        self.classes_per_batch = min(classes_per_batch, len(self.frames))
        self.frames_per_class = frames_per_class
        self.batches = batches or -(-len(used) // (self.classes_per_batch * frames_per_class))
        self.seed, self.rank, self.world, self.epoch = seed, rank, world, 0

    @property
    def sampler(self) -> "PatientBalancedBatches":
        """Itself: Lightning calls `set_epoch` on the sampler of a batch sampler, not on the batch sampler."""
        return self

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        epoch = self.epoch  # a batch drawn ahead by a worker belongs to the epoch that was begun
        rng = np.random.default_rng([PLAN, self.seed, epoch])
        class_deck = _Deck(np.arange(len(self.frames)), rng)
        frames = [_ClassFrames(rows, sizes, rng) for rows, sizes in self.frames]
        mine = share(self.frames_per_class, self.rank, self.world)
        for step in range(self.batches):
            seeds = np.random.default_rng([SEEDS, self.seed, epoch, step])
            rows = np.stack([frames[c].draw(self.frames_per_class) for c in class_deck.draw(self.classes_per_batch)])
            sample_seeds = seeds.integers(2**32, size=rows.shape)
            pairs = np.stack([rows[:, mine].ravel(), sample_seeds[:, mine].ravel()], axis=1)
            yield [tuple(pair) for pair in pairs.tolist()]


class JoinedBatches:
    """Batches of several samplers over one data set, joined step by step: source frames, then target frames.

    parts: batch samplers with the same number of batches. keep: how many frames of each part stay in a batch, None for
    all; what is left over is dropped at random, by (seed, epoch, step), and the rest keeps its order. With world > 1
    processes, the parts are those of one process, and each rank takes every world-th frame of what is kept.
    """

    def __init__(
        self,
        parts: Sequence[PatientBalancedBatches],
        keep: Sequence[int | None],
        *,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ):
        self.parts, self.keep, self.seed, self.epoch = list(parts), list(keep), seed, 0
        self.mine = slice(rank, None, world)

    @property
    def sampler(self) -> "JoinedBatches":
        """Itself: Lightning calls `set_epoch` on the sampler of a batch sampler, not on the batch sampler."""
        return self

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch
        for part in self.parts:
            part.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.parts[0])

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        epoch = self.epoch
        for step, batches in enumerate(zip(*self.parts, strict=True)):
            rng = np.random.default_rng([KEPT, self.seed, epoch, step])
            kept = [_some(batch, keep, rng) for batch, keep in zip(batches, self.keep, strict=True)]
            yield [pair for batch in kept for pair in batch[self.mine]]


def _some(batch: list, keep: int | None, rng: np.random.Generator) -> list:
    if keep is None or keep >= len(batch):
        return batch
    return [batch[place] for place in np.sort(rng.permutation(len(batch))[:keep])]


def share(count: int, rank: int, world: int) -> slice:
    """Return the part of `count` things that is of one rank: the parts are disjoint, complete, and differ by one."""
    return slice(count * rank // world, count * (rank + 1) // world)


def rarest_finding(labels: np.ndarray) -> np.ndarray:
    """Give each frame (n, F) of 1, 0 and NaN the class that batches are balanced by (n,).

    That is its rarest positive finding (f + 1), or 0 without one: a frame with two findings counts for the one that is
    harder to come by, and rare combinations do not become classes of their own. -1 where nothing at all is known.
    """
    positive = labels == 1
    rarity = np.where(positive, positive.sum(axis=0), np.iinfo(np.int64).max)
    classes = np.where(positive.any(axis=1), rarity.argmin(axis=1) + 1, 0)
    return np.where(np.isnan(labels).all(axis=1), -1, classes)


def _patients_by_class(used, classes, patients) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each class that occurs: its rows, patient by patient, and the number of rows of each patient."""
    patient = pd.factorize(pd.Series(patients).iloc[used])[0]
    missing = patient < 0
    patient[missing] = patient.max() + 1 + np.arange(missing.sum())  # each stands alone
    by_class = classes[used]
    order = np.lexsort((patient, by_class))
    rows, by_class, patient = used[order], by_class[order], patient[order]
    borders = np.flatnonzero(np.diff(by_class)) + 1
    sizes = [np.unique_counts(of_class).counts for of_class in np.split(patient, borders)]
    return list(zip(np.split(rows, borders), sizes, strict=True))


class _Deck:
    """Cards in shuffled order, each once before any comes again; none twice in a draw of at most all."""

    def __init__(self, cards: np.ndarray, rng: np.random.Generator):
        self.cards, self.rng, self.left = cards, rng, cards[:0]

    def draw(self, count: int) -> np.ndarray:
        while len(self.left) < count:
            fresh = self.rng.permutation(self.cards)
            if len(self.left):  # the cards that are about to be drawn come last in the new round
                late = np.isin(fresh, self.left)
                fresh = np.concatenate([fresh[~late], fresh[late]])
            self.left = np.concatenate([self.left, fresh])
        drawn, self.left = self.left[:count], self.left[count:]
        return drawn


class _ClassFrames:
    """The frames of one class during one epoch: the patients take turns, each with its own deck of frames."""

    def __init__(self, rows: np.ndarray, sizes: np.ndarray, rng: np.random.Generator):
        self.rows, self.sizes, self.rng = rows, sizes, rng
        self.stops = np.cumsum(sizes)
        self.patients = _Deck(np.arange(len(sizes)), rng)
        self.decks: dict[int, _Deck] = {}  # made at a patient's first turn: there may be millions

    def draw(self, count: int) -> np.ndarray:
        turns = self._turns(count)
        drawn = np.empty(len(turns), dtype=np.int64)
        for patient in np.unique(turns).tolist():
            places = np.flatnonzero(turns == patient)
            drawn[places] = self._deck(patient).draw(len(places))
        if len(drawn) < count:  # the whole class was drawn: begin again
            drawn = np.concatenate([drawn, self.draw(count - len(drawn))])
        return drawn

    def _turns(self, count: int) -> np.ndarray:
        """Whose frames are drawn, in rounds over the patients; who has given all frames is passed over."""
        patients = self.patients.draw(min(count, len(self.sizes)))
        room = np.minimum(self.sizes[patients], count)
        turn = np.repeat(np.arange(len(patients)), room)
        rounds = np.arange(len(turn)) - np.repeat(np.cumsum(room) - room, room)
        return patients[turn[np.argsort(rounds, kind="stable")[:count]]]

    def _deck(self, patient: int) -> _Deck:
        if patient not in self.decks:
            stop = self.stops[patient]
            self.decks[patient] = _Deck(self.rows[stop - self.sizes[patient] : stop], self.rng)
        return self.decks[patient]

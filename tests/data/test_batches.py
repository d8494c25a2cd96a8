from collections import Counter

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch

from capsight.data.batches import JoinedBatches, PatientBalancedBatches, rarest_finding
from capsight.errors import UserError


def table(seed=0, n=600):
    """Classes from frequent to rare, patients from large to small, some rows without the one or the other."""
    random = np.random.default_rng(seed)
    classes = random.choice([-1, 0, 1, 2, 7], n, p=[0.1, 0.5, 0.2, 0.15, 0.05])
    share = 0.5 ** np.arange(1, 13)
    patients = pd.Series(random.choice([f"p{i}" for i in range(12)], n, p=share / share.sum()), dtype="string")
    return classes, patients.mask(random.random(n) < 0.05)


def sampler(classes, patients, p=3, k=4, **options):
    return PatientBalancedBatches(classes, patients, classes_per_batch=p, frames_per_class=k, **options)


def rows_of(batch):
    return np.array([row for row, _ in batch])


def test_composition():
    classes, patients = table()
    batches = list(sampler(classes, patients))
    assert len(batches) == len(sampler(classes, patients)) == -(-np.sum(classes >= 0) // 12)
    for batch in batches:
        rows = rows_of(batch)
        assert len(set(rows.tolist())) == 12
        assert sorted(Counter(classes[rows].tolist()).values()) == [4, 4, 4]
        assert -1 not in classes[rows]
        assert all(type(x) is int for pair in batch for x in pair)


def test_patients_differ_within_a_class_where_there_are_enough():
    classes, patients = table()
    seen = set()
    for batch in sampler(classes, patients, k=5, batches=300):
        rows = rows_of(batch)
        for c in np.unique(classes[rows]):
            chosen = patients[rows[classes[rows] == c]].dropna()
            assert chosen.is_unique
            seen.add(c)
    assert seen == {0, 1, 2, 7}


def test_classes_come_equally_often():
    batches = sampler(*table(), batches=40)
    drawn = Counter(c for batch in batches for c in table()[0][rows_of(batch)].tolist())
    assert drawn == {c: 40 * 3 * 4 / 4 for c in (0, 1, 2, 7)}


def test_patients_take_turns_and_use_up_their_frames():
    patients = np.repeat(["large", "middle", "small"], [50, 10, 2])
    drawn = Counter()
    for batch in sampler(np.zeros(62, int), patients, p=1, k=3, batches=30):
        assert sorted(patients[rows_of(batch)]) == ["large", "middle", "small"]
        drawn.update(rows_of(batch).tolist())
    counts = np.array([drawn[row] for row in range(62)])
    assert sorted(counts[:50]) == [0] * 20 + [1] * 30  # none twice
    assert set(counts[50:60]) == {3}
    assert set(counts[60:]) == {15}


def test_a_class_is_covered_without_repetition():
    classes, patients = np.repeat([0, 1, 2], 40), np.tile(np.arange(8), 15)
    drawn = [row for batch in sampler(classes, patients, p=2, k=4, batches=15) for row in rows_of(batch)]
    assert sorted(drawn) == list(range(120))


def test_a_class_with_one_patient():
    for batch in sampler(np.zeros(9, int), ["only"] * 9, p=1, k=9, batches=5):
        assert sorted(rows_of(batch)) == list(range(9))


def test_a_patient_with_few_frames_is_passed_over():
    patients = ["few", *["many"] * 20]
    for batch in sampler(np.zeros(21, int), patients, p=1, k=8, batches=20):
        rows = rows_of(batch).tolist()
        assert len(set(rows)) == 8
        assert 0 in rows


def test_a_class_smaller_than_its_share_repeats_evenly():
    for batch in sampler([5, 5, 5, -1], ["a", "a", "b", "b"], p=1, k=8, batches=20):
        assert sorted(Counter(rows_of(batch).tolist()).values()) == [2, 3, 3]
        assert len({seed for _, seed in batch}) == 8  # so that each copy is augmented differently


def test_fewer_classes_than_asked_for():
    for batch in sampler([0, 0, 4, 4], ["a", "b", "a", "b"], p=10, k=2):
        assert sorted(rows_of(batch)) == [0, 1, 2, 3]


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_rows_without_patient_stand_alone(missing):
    patients = pd.Series([missing] * 6 + ["a"] * 100, dtype="object")
    for batch in sampler(np.zeros(106, int), patients, p=1, k=7, batches=20):
        rows = rows_of(batch)
        assert sorted(rows[rows < 6]) == list(range(6))


def test_a_pure_function_of_seed_and_epoch():
    batches = sampler(*table(), seed=3)
    plans = []
    for epoch in range(3):
        batches.set_epoch(epoch)
        plans.append(list(batches))
        assert list(batches) == plans[-1]
    resumed = sampler(*table(), seed=3)
    resumed.set_epoch(2)
    assert list(resumed) == plans[2]
    others = [*plans[:2], list(sampler(*table(), seed=4))]
    for other in others:
        assert all((rows_of(b) != rows_of(c)).any() for b, c in zip(other, plans[2], strict=True))
        assert not {seed for b in other for _, seed in b} & {seed for b in plans[2] for _, seed in b}


def test_sample_seeds_do_not_depend_on_what_was_drawn():
    classes, patients = table()
    one, other = sampler(classes, patients), sampler(classes[::-1].copy(), patients[::-1])
    seeds = [[seed for _, seed in batch] for batch in one]
    assert seeds == [[seed for _, seed in batch] for batch in other]
    assert len({seed for batch in seeds for seed in batch}) == len(seeds) * 12
    assert all(0 <= seed < 2**32 for batch in seeds for seed in batch)


@pytest.mark.parametrize("k", [6, 7])
def test_ranks_are_disjoint_and_join_to_the_plan_of_one_process(k):
    classes, patients = table()
    whole = sampler(classes, patients, k=k)
    ranks = [sampler(classes, patients, k=k, rank=rank, world=3) for rank in range(3)]
    assert [len(rank) for rank in ranks] == [len(whole)] * 3
    drawn = []
    for epoch in range(2):
        for batches in (whole, *ranks):
            batches.set_epoch(epoch)
        drawn.append([list(rank) for rank in ranks])
        for joined, *parts in zip(whole, *ranks, strict=True):
            assert sorted(joined) == sorted(pair for part in parts for pair in part)
            assert len({row for part in parts for row, _ in part}) == 3 * k
            counts = [Counter(classes[rows_of(part)]) for part in parts]
            assert all({*count.values()} <= {k // 3, k // 3 + 1} and len(count) == 3 for count in counts)
    assert all(one != other for one, other in zip(*drawn, strict=True))  # another epoch, other batches


class Frames(torch.utils.data.Dataset):
    def __getitem__(self, key):
        return torch.tensor(key)


class Recorder(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight, self.epochs = torch.nn.Parameter(torch.zeros(1)), {}

    def training_step(self, batch, _):
        self.epochs.setdefault(self.current_epoch, []).append([tuple(pair) for pair in batch.tolist()])
        return self.weight.sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters())


@pytest.mark.filterwarnings("ignore")  # Lightning's advice on workers
def test_lightning_sets_the_epoch(tmp_path):
    classes, patients = table(n=60)
    module, batches = Recorder(), sampler(classes, patients)
    trainer = pl.Trainer(
        max_epochs=3,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(module, torch.utils.data.DataLoader(Frames(), batch_sampler=batches))
    expected = sampler(classes, patients)
    for epoch in range(3):
        expected.set_epoch(epoch)
        assert module.epochs[epoch] == list(expected)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"classes": [-1, -1]}, "no frame has a known class"),
        ({"classes": []}, "for 2 patients"),
        ({"classes": [0.0, np.nan]}, "integer class"),
        ({"p": 0}, "classes_per_batch=0"),
        ({"k": -1}, "frames_per_class=-1"),
        ({"batches": 0}, "batches=0"),
        ({"seed": -1}, "seed=-1"),
        ({"rank": 2, "world": 2}, "rank 2 of 2"),
        ({"k": 2, "world": 3}, "frames_per_class=2 cannot be dealt to 3"),
    ],
)
def test_bad_input(change, text):
    with pytest.raises(UserError, match=text):
        sampler(**({"classes": [0, 1], "patients": ["a", "b"]} | change))


def test_a_frame_counts_for_its_rarest_finding():
    nan = float("nan")
    labels = np.array([[1, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0], [nan, 1, 0], [nan, nan, nan], [nan, 0, 0]])
    assert rarest_finding(labels).tolist() == [1, 1, 2, 0, 2, -1, 0]


def test_joined_batches_hold_source_frames_and_then_target_frames():
    classes, patients = table()
    is_target = np.arange(len(classes)) >= 400
    source = sampler(np.where(is_target, -1, classes), patients, batches=7)
    target = sampler(np.where(is_target, 0, -1), patients, p=1, k=6, batches=7, seed=2**32)
    joined = JoinedBatches([source, target], keep=[10, None])
    batches = list(joined)
    assert len(batches) == len(joined) == 7
    for batch, alone in zip(batches, source, strict=True):
        rows = rows_of(batch)
        assert is_target[rows].tolist() == [False] * 10 + [True] * 6
        assert set(batch[:10]) < set(alone)
        assert [pair for pair in alone if pair in batch[:10]] == batch[:10]
    kept = [[pair in batch for pair in alone] for batch, alone in zip(batches, source, strict=True)]
    assert len({tuple(places) for places in kept}) > 1  # what is dropped changes from step to step
    assert batches == list(joined)
    joined.sampler.set_epoch(1)
    assert batches != list(joined)
    assert [part.epoch for part in joined.parts] == [1, 1]


def test_ranks_share_joined_batches():
    classes, patients = table()
    is_target = np.arange(len(classes)) >= 400
    parts = [
        sampler(np.where(is_target, -1, classes), patients, batches=5),
        sampler(np.where(is_target, 0, -1), patients, p=1, k=7, batches=5),
    ]
    whole = JoinedBatches(parts, keep=[10, None])
    ranks = [JoinedBatches(parts, keep=[10, None], rank=rank, world=2) for rank in (0, 1)]
    for joined, *shares in zip(whole, *ranks, strict=True):
        assert sorted(joined) == sorted(pair for share in shares for pair in share)
        assert [is_target[rows_of(share)].sum() for share in shares] == [4, 3]

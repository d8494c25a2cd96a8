"""Neighbours: the same as a slow loop finds, and never a frame that says nothing new."""

import numpy as np
import pandas as pd
import pytest

from capsight.errors import UserError
from capsight.explain import neighbours
from capsight.explain.neighbours import nearest, sentence


def bank(patients, embeddings=None, seed=0, **labels):
    rng = np.random.default_rng(seed)
    n = len(patients)
    table = pd.DataFrame(
        {
            "path": pd.array([f"{i}.jpg" for i in range(n)], dtype="string"),
            "patient": pd.array(patients, dtype="string"),
            "device": pd.array(["a"] * n, dtype="string"),
        }
    )
    labels = labels or {"polyp": rng.choice([0, 1], n), "bleeding": rng.choice([0, 1], n)}
    for finding, values in labels.items():
        table[f"label_{finding}"] = pd.array(values, dtype="Int8")
    return rng.normal(size=(n, 6)) if embeddings is None else np.array(embeddings, dtype=float), table


def slow(embeddings, table, queries, patients, k):
    """(query, rank, path) by looking at every frame in the order of its distance."""
    found = []
    for number, (query, own) in enumerate(zip(queries, patients, strict=True)):
        taken = set() if pd.isna(own) else {own}
        rank = 0
        for row in np.argsort(np.linalg.norm(embeddings - query, axis=1), kind="stable"):
            patient = table["patient"].iloc[row]
            if pd.isna(patient) or patient in taken or rank == k:
                continue
            rank += 1
            taken.add(patient)
            found.append((number, rank, table["path"].iloc[row]))
    return found


@pytest.mark.parametrize("memory", [1, 300, 10**6])
def test_finds_what_a_slow_loop_finds(memory, monkeypatch):
    monkeypatch.setattr(neighbours, "MEMORY", memory)
    rng = np.random.default_rng(1)
    embeddings, table = bank(rng.choice(["p1", "p2", "p3", "p4", None], 80))
    queries, patients = rng.normal(size=(12, 6)), pd.Series(rng.choice(["p1", "p2", "q", None], 12))
    for k in (1, 3, 9):
        found = nearest(embeddings, table, queries, patients, k)
        expected = slow(embeddings, table, queries, patients, k)
        assert list(zip(found["query"], found["rank"], found["path"], strict=True)) == expected
        rows = found["path"].str.removesuffix(".jpg").astype(int)
        np.testing.assert_allclose(
            found["distance"], np.linalg.norm(embeddings[rows] - queries[found["query"]], axis=1), rtol=1e-5
        )


def test_neighbours_are_of_different_patients_and_never_the_querys_own():
    embeddings, table = bank(["p1"] * 5 + ["p2"] * 5 + ["p3"])
    found = nearest(embeddings, table, embeddings, table["patient"], k=5)
    assert (found.groupby("query").size() == 2).all()  # there are two other patients, so two neighbours
    own = table["patient"].iloc[found["query"]].reset_index(drop=True)
    assert (found["patient"] != own).all()
    assert not found.duplicated(["query", "patient"]).any()
    assert found.groupby("query")["distance"].is_monotonic_increasing.all()


def test_a_frame_without_patient_is_nobodys_neighbour_and_has_neighbours():
    embeddings, table = bank([None, "", "p1"], [[0.0], [0.0], [9.0]])
    found = nearest(embeddings, table, np.zeros((1, 1)), pd.Series([pd.NA], dtype="string"))
    assert found["path"].tolist() == ["2.jpg"]


def test_one_patient_is_one_patient_however_it_is_written():
    embeddings, table = bank(["p1", "p2"], [[0.0], [9.0]])
    assert nearest(embeddings, table, np.zeros((1, 1)), pd.Series(["p1 "]))["patient"].tolist() == ["p2"]


def test_what_is_not_finite_is_no_neighbour_and_has_none():
    embeddings, table = bank(["p1", "p2"], [[np.nan], [1.0]])
    found = nearest(embeddings, table, np.array([[np.inf], [0.0]]), pd.Series(["q", "q"]))
    assert found[["query", "patient"]].values.tolist() == [[1, "p2"]]


def test_nothing_to_find_is_an_empty_table():
    embeddings, table = bank(["p1", "p1"])
    found = nearest(embeddings, table, embeddings, table["patient"])
    assert found.empty
    assert {"query", "rank", "path", "patient", "device", "distance", "findings", "label_polyp"} == set(
        found.columns
    ) - {"label_bleeding"}
    assert sentence(found, "polyp") == "there is no training frame of another patient to compare it with"


def test_findings_stand_in_words():
    embeddings, table = bank(["p1", "p2", "p3"], [[1.0], [2.0], [3.0]], polyp=[1, 0, None], bleeding=[1, None, None])
    found = nearest(embeddings, table, np.zeros((1, 1)), pd.Series(["q"]))
    assert found["findings"].tolist() == ["polyp, bleeding", "none", "not labelled"]


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([1, 1, 0, 1, 1], "4 of its 5 nearest training frames of other patients show polyp"),
        ([0, 0, 1], "1 of its 3 nearest training frames of other patients shows polyp"),
        ([0, 0], "none of its 2 nearest training frames of other patients shows polyp"),
        ([1], "1 of 1 training frame of another patient shows polyp"),
        (
            [1, 1, None],
            "2 of its 3 nearest training frames of other patients show polyp, and 1 is not labelled for it",
        ),
        ([None, None], "none of its 2 nearest training frames of other patients is labelled for polyp"),
    ],
)
def test_the_sentence(labels, says):
    embeddings, table = bank([f"p{i}" for i in range(len(labels))], polyp=labels)
    assert sentence(nearest(embeddings, table, embeddings[:1], pd.Series(["q"])), "polyp") == says


def test_errors_say_what_to_do():
    embeddings, table = bank(["p1", "p2"])
    patients = pd.Series(["q", "q"])
    with pytest.raises(UserError, match="embeddings of 6 and 5 numbers are not of one model"):
        nearest(embeddings, table, embeddings[:, :5], patients)
    with pytest.raises(UserError, match="at least 1"):
        nearest(embeddings, table, embeddings, patients, k=0)
    with pytest.raises(UserError, match="no finding 'unicorn'; they have polyp, bleeding"):
        sentence(nearest(embeddings, table, embeddings, patients), "unicorn")

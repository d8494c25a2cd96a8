import pandas as pd

from capsight.explain.selection import choose_frames, some_of_each


def predictions():
    n = 40
    table = pd.DataFrame({"path": [f"{i}" for i in range(n)], "patient": ["a"] * 30 + ["b"] * 8 + [None] * 2})
    table["label_polyp"] = pd.array(([1] * 10 + [0] * 18 + [None] * 2 + [1, 1, 0, 0, 0, 0, None, None, 1, 0]), "Int8")
    table["probability_polyp"] = [i / n for i in range(n)]
    return table


def test_frames_with_the_finding_come_patient_by_patient_and_others_by_probability():
    chosen = choose_frames(predictions(), ["polyp"], 5)
    present, absent = chosen[chosen["label"] == 1], chosen[chosen["label"] == 0]
    assert len(present) == 5
    assert present["patient"].fillna("none").value_counts().to_dict() == {"a": 2, "b": 2, "none": 1}
    assert absent["path"].tolist() == ["39", "35"]  # the likeliest of each patient first
    assert (predictions()["path"].iloc[chosen["row"]].to_numpy() == chosen["path"].to_numpy()).all()


def test_more_frames_keep_those_that_were_chosen_before():
    few, many = (choose_frames(predictions(), ["polyp"], n) for n in (3, 9))
    present = [chosen.loc[chosen["label"] == 1, "path"].tolist() for chosen in (few, many)]
    assert present[1][:3] == present[0]
    assert len(choose_frames(predictions(), ["polyp"], 1000)) == 13 + 23


def test_the_choice_does_not_depend_on_what_the_model_says_of_frames_with_the_finding():
    other = predictions().assign(probability_polyp=0.5)
    first, second = (choose_frames(table, ["polyp"], 4) for table in (predictions(), other))
    assert first.loc[first["label"] == 1, "path"].tolist() == second.loc[second["label"] == 1, "path"].tolist()


def test_some_of_each():
    chosen = pd.DataFrame({"finding": ["a"] * 6 + ["b"] * 2, "label": [1, 1, 1, 1, 0, 0, 1, 0]})
    assert some_of_each(chosen, 4) == [0, 4, 6, 7]
    assert some_of_each(chosen, 6) == [0, 1, 4, 5, 6, 7]
    assert some_of_each(chosen, 0) == []
    assert some_of_each(chosen, 99) == list(range(8))


def test_nothing_labelled_chooses_nothing():
    table = predictions().assign(label_polyp=pd.array([None] * 40, "Int8"))
    assert choose_frames(table, ["polyp"], 5).empty

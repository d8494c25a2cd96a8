"""Deep Patient at work: what a record says of a disease, read off by autoencoders from patients without labels."""

from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from torch import Tensor

from capsight.data.cohort import make_cohort
from capsight.errors import UserError
from capsight.evaluation.bootstrap import Patients, draw_patients, interval
from capsight.evaluation.statistics import ranking_statistics
from capsight.lecture.drawing import panels, save, styled
from capsight.lecture.reconstruction import fit_reconstruction
from capsight.nn.autoencoders import StackedDenoisingAutoencoder
from capsight.progress import track
from capsight.report.plots import MARKERS, OKABE_ITO

RESAMPLES = 1000


def deep_patient(
    out: Path,
    *,
    seed: int,
    trainer: dict,
    patients: int = 15_000,
    codes: int = 400,
    diseases: int = 6,
    labelled: int = 300,
    test: int = 3000,
    layers: tuple[int, ...] = (100, 20),
    corruption: float = 0.25,
    components: tuple[int, ...] = (10, 20, 50, 100),
    trees: int = 100,
    batch_size: int = 128,
    optimiser: dict | None = None,
) -> dict:
    """Predict diseases with one random forest each, from raw records, PCA, and stacked denoising autoencoders.

    The cohort is made (`make_cohort`), of a structure for which the claim is plausible. All records but those of the
    `test` patients serve PCA and the autoencoders; only `labelled` of them have diseases that a forest may see. Records
    are which codes a patient has at all. components: of PCA; the last layer's width should be among them, and the best
    of them, chosen by its AUROC on the test patients and so flattered, is compared with too.
    Raises UserError where the patients do not suffice.
    """
    if labelled + test + 100 > patients:
        raise UserError(f"{patients} patients are too few for {labelled} labelled, {test} tested and 100 more.")
    if not layers or not all(isinstance(width, int) and width >= 1 for width in layers):
        raise UserError(f"lesson.layers={list(layers)} is not possible; give whole numbers from 1.")
    if not components or not all(isinstance(width, int) and 1 <= width <= codes for width in components):
        raise UserError(f"lesson.components={list(components)} is not possible; give whole numbers from 1 to {codes}.")
    if labelled < 1 or test < 1 or trees < 1 or corruption > 1:
        raise UserError("lesson.labelled, lesson.test and lesson.trees are 1 or more, lesson.corruption is at most 1.")
    cohort = make_cohort(patients=patients, codes=codes, diseases=diseases, seed=seed)
    records = torch.from_numpy(cohort.counts > 0).float()
    features = {"raw": records.numpy()}
    for width in components:
        pca = PCA(width, random_state=seed).fit(records[:-test].numpy())
        features[f"pca_{width}"] = pca.transform(records.numpy())
    torch.manual_seed(seed)
    stack = StackedDenoisingAutoencoder((codes, *layers), strength=corruption)
    settings = {"trainer": trainer, "batch_size": batch_size, "optimiser": {"lr": 2e-3, "weight_decay": 0.0}}
    settings["optimiser"] |= optimiser or {}
    _pretrain(stack, records[:-test], out, seed, settings)
    with torch.no_grad():
        features["deep_patient"] = stack.encode(records).numpy()

    drawn = draw_patients([str(number) for number in range(test)], RESAMPLES, seed)
    aurocs = _aurocs(features, cohort.diseases, labelled, test, trees, drawn, seed)
    means = {name: values.mean(axis=0) for name, values in aurocs.items()}
    best_pca = max((name for name in means if name.startswith("pca")), key=lambda name: means[name][0])
    numbers = {
        "n_patients": {"unlabelled": patients - test, "labelled": labelled, "test": test},
        "prevalence": float(cohort.diseases[-test:].mean()),
        "codes_per_patient": float(records.sum(1).mean()),
        "auroc": {name: interval(values) for name, values in means.items()},
        "deep_patient_minus": {
            name: interval(means["deep_patient"] - means[name])
            for name in dict.fromkeys(("raw", f"pca_{layers[-1]}", best_pca))
            if name in means
        },
        "auroc_by_disease": {
            f"disease_{index + 1}": {name: interval(values[index]) for name, values in aurocs.items()}
            for index in range(diseases)
        },
    }
    _draw(out / "deep_patient.png", numbers)
    return numbers


def _pretrain(stack: StackedDenoisingAutoencoder, records: Tensor, out: Path, seed: int, settings: dict) -> None:
    """Train the layers one after the other, each on the codes of those below."""
    held_out = max(1, len(records) // 10)
    for k, layer in enumerate(stack.layers):
        with torch.no_grad():
            inputs = stack.below(records, k)
        parts = inputs[held_out:], inputs[:held_out]
        fit_reconstruction(layer, *parts, out=out / f"layer_{k + 1}", seed=seed, logits=True, **settings)


def _aurocs(
    features: dict[str, np.ndarray],
    diseases: np.ndarray,
    labelled: int,
    test: int,
    trees: int,
    drawn: Patients,
    seed: int,
) -> dict[str, np.ndarray]:
    """AUROC of one forest per disease and kind of features on the last `test` patients: (diseases, 1 + resamples)."""
    aurocs = {name: [] for name in features}
    for disease in track(range(diseases.shape[1]), "Growing forests"):
        for name, values in features.items():
            forest = RandomForestClassifier(trees, random_state=seed).fit(
                values[:labelled], diseases[:labelled, disease]
            )
            risk = forest.predict_proba(values[-test:])[:, -1]
            truth = diseases[-test:, disease]
            aurocs[name].append(ranking_statistics(truth, risk, drawn.group, drawn.weights, [])[0])
    return {name: np.array(values) for name, values in aurocs.items()}


def _title(features: str) -> str:
    return features.replace("raw", "raw records").replace("pca_", "PCA ").replace("deep_patient", "Deep Patient")


@styled
def _draw(file: Path, numbers: dict) -> None:
    """Draw the AUROC of every kind of features, by disease and over all."""
    rows = {"mean": numbers["auroc"]} | numbers["auroc_by_disease"]
    figure, (axes,) = panels(1, height=4.4)
    names = list(numbers["auroc"])
    for index, name in enumerate(names):
        at = np.arange(len(rows)) + 0.11 * (index - (len(names) - 1) / 2)
        style = {"color": OKABE_ITO[index], "marker": MARKERS[index], "markersize": 6}
        axes.plot(at, [row[name]["value"] for row in rows.values()], linestyle="none", label=_title(name), **style)
        ends = [[row[name][end] for row in rows.values()] for end in ("low", "high")]
        axes.vlines(at, *ends, color=OKABE_ITO[index], linewidth=1.6)
    axes.set(xticks=range(len(rows)), xticklabels=[name.replace("_", " ") for name in rows], ylabel="AUROC")
    axes.set_title("One random forest per disease, on held-out patients")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    save(figure, file)

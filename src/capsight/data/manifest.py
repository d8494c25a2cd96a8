"""The manifest: one row per frame, where it is, whose it is, and what is known about it.

Findings are columns with 1, 0 or empty; empty means that nobody looked, and is never treated as 0.
The columns are described for readers in data_manifests/README.md.
"""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path, PureWindowsPath

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from capsight.data.vocabulary import canonical_device, has_camera
from capsight.errors import UserError
from capsight.files import atomic

REQUIRED = ("path", "patient", "video", "frame", "device")
BOX = ("x1", "y1", "x2", "y2")
OPTIONAL = ("site", "split", "mask", *BOX, "patient_from")
SPLITS = ("train", "val", "test", "adapt")  # adapt: of a run, frames of the target that may give to training
# Absolute (either kind of slash, or a drive letter), or with ".." as a part.
LEAVES_ROOT = r"^[/\\]|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)"
UNTIDY = r"\\|//|/\./|^\./"  # paths that can be written more plainly
MAX_PROBLEMS = 20  # a page of problems is read, a thousand are not


def finding_columns(table: pd.DataFrame) -> list[str]:
    """Name the columns that hold findings: all that the schema does not name."""
    return [column for column in table.columns if column not in REQUIRED + OPTIONAL]


def resolve(root: str | Path, path: str) -> Path:
    """Join a manifest path, with either kind of slash, to `root`. UserError where it leaves the root."""
    if re.search(LEAVES_ROOT, path):
        raise UserError(f"path {path!r} leaves the root folder {root}; paths in a manifest are relative to it.")
    return Path(root, *PureWindowsPath(path).parts)


def resolve_all(root: str | Path, paths: pd.Series) -> np.ndarray:
    """Do as `resolve` does for a column of paths; returns one block of text (n,), which workers share."""
    paths = paths.astype("string").reset_index(drop=True)
    odd = paths.str.contains(rf"{LEAVES_ROOT}|{UNTIDY}|/\.?$|^\.?$", regex=True).to_numpy(dtype=bool)
    top = str(Path(root))
    joined = ("" if top == "." else top.rstrip("/") + "/") + paths
    joined[odd] = [str(resolve(root, path)) for path in paths[odd]]
    return joined.to_numpy(dtype=str)


def read_manifest(file: str | Path) -> pd.DataFrame:
    """Read and check a manifest (.csv or .parquet).

    Returns one row per frame: text columns as string, `frame` as Int64, boxes as Float64 (pixels of the stored
    frame), findings as Int8; missing is <NA> throughout. A known device has its canonical name.
    Raises UserError with every problem's line, column and value (the first 20, then a count).
    """
    file = Path(file)
    table = _read_table(file)
    problems = _column_problems(table) or _cell_problems(table)
    if problems:
        shown = [f"  {problem}" for problem in problems[:MAX_PROBLEMS]]
        if len(problems) > MAX_PROBLEMS:
            shown.append(f"  ... and {len(problems) - MAX_PROBLEMS} more")
        raise UserError("\n".join([f"{file} is not a valid manifest; mend these cells:", *shown]))
    table = _typed(table)
    table["device"] = _each_once(table["device"], canonical_device).astype("string")
    return table


def write_manifest(table: pd.DataFrame, file: str | Path) -> None:
    """Write a manifest as .csv or .parquet, whole or not at all."""
    file = Path(file)
    with atomic(file) as temporary:
        if file.suffix == ".csv":
            table.to_csv(temporary, index=False)
        elif file.suffix == ".parquet":
            table.to_parquet(temporary, index=False)
        else:
            raise UserError(f"{file}: a manifest ends in .csv or .parquet; rename it.")


def set_aside_file(file: str | Path) -> Path:
    """Name the table beside a manifest that lists the byte-identical copies which were merged: X.set_aside.csv."""
    return Path(file).with_suffix(".set_aside.csv")


def read_set_aside(file: str | Path) -> pd.DataFrame:
    """Read the copies that were set aside from the manifest `file`; an empty table where there are none."""
    aside = set_aside_file(file)
    if not aside.exists():
        return pd.DataFrame({name: pd.Series(dtype="string") for name in ("path", "split", "kept", "reason")})
    table = _read_table(aside)
    findings = table.columns.difference(["path", "split", "kept", "reason"])
    return table.astype(dict.fromkeys(findings, "Int8"))


def fingerprint(table: pd.DataFrame) -> str:
    """Return the SHA-256 of a manifest's content, the same whether it was read from CSV or Parquet."""
    columns = sorted(table.columns)
    digest = hashlib.sha256("\0".join(columns).encode())
    for column in columns:
        codes, values = pd.factorize(table[column], use_na_sentinel=False)  # few values: each is hashed once
        hashes = pd.util.hash_pandas_object(pd.Series(values).astype("string"), index=False).to_numpy()
        digest.update(hashes[codes].tobytes())
    return digest.hexdigest()


def _read_table(file: Path) -> pd.DataFrame:
    if not file.is_file():
        raise UserError(f"there is no manifest {file}; make one with scripts/build_manifest.py.")
    try:
        if file.suffix == ".csv":
            table = _read_csv(file)
        elif file.suffix == ".parquet":
            table = pd.read_parquet(file)
        else:
            raise UserError(f"{file}: a manifest ends in .csv or .parquet.")
    except (ValueError, OSError) as error:  # pandas' parser errors and Arrow's are ValueErrors
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"cannot read the manifest {file}: {reason}. Is it complete, and UTF-8?") from None
    if len(table) == 0:
        raise UserError(f"{file} has no frames; a manifest has a header and one row per frame.")
    table.columns = table.columns.astype(str)
    return table.reset_index(drop=True)


def _read_csv(file: Path) -> pd.DataFrame:
    # Everything is text, so that a patient "007" stays "007" and "NA" is not a missing value. The header is a row like
    # the others: pandas would rename a second column of the same name, and take surplus cells for an index.
    rows = pd.read_csv(
        file,
        header=None,
        dtype="string",
        keep_default_na=False,
        na_values=[""],
        skip_blank_lines=False,
        encoding="utf-8-sig",
    )
    table = rows.iloc[1:]
    table.columns = rows.iloc[0].fillna("").tolist()
    return table


def _column_problems(table: pd.DataFrame) -> list[str]:
    problems = [f"line 1: column {name!r} is missing" for name in REQUIRED if name not in table.columns]
    twice = table.columns[table.columns.duplicated()].unique()
    problems += [f"line 1: column {name!r} stands there twice" for name in twice]
    if problems:
        return problems
    for name in finding_columns(table):
        values = table[name].dropna()
        if not name.strip():
            problems.append("line 1: a column has no name")
        elif len(values) and not _number(values).isin([0, 1]).any():
            problems.append(f"line 1: column {name!r} is not known, and not a finding with 1, 0 or empty")
    return problems


def _cell_problems(table: pd.DataFrame) -> list[str]:
    """Return one sentence per wrong cell, in the order of the lines."""
    try:
        _schema(table).validate(table, lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases
    else:
        return []
    cases = cases.drop_duplicates(["index", "column"]).sort_values(["index", "column"], kind="stable")
    return [
        # The header is line 1, so the row 0 is line 2.
        f"line {int(row) + 2}, column {column!r}: "
        + ("is empty" if check == "not_nullable" else f"{str(value)!r} {check}")
        for row, column, value, check in zip(
            cases["index"], cases["column"], cases["failure_case"], cases["check"], strict=True
        )
    ]


def _schema(table: pd.DataFrame) -> pa.DataFrameSchema:
    inside = pa.Check(
        lambda paths: ~paths.astype("string").str.contains(LEAVES_ROOT, regex=True),
        error="leaves the root folder; paths are relative to it",
    )
    once = pa.Check(
        lambda paths: ~_slashes(paths).duplicated(), error="stands in an earlier line too; one row per frame"
    )
    whole = pa.Check(lambda s: (_number(s) % 1 == 0) & (_number(s).abs() < 2**53), error="is not a whole number")
    finite = pa.Check(lambda s: np.isfinite(_number(s)), error="is not a number of pixels")
    one_or_zero = pa.Check(lambda s: _number(s).isin([0, 1]), error="is not 1, 0 or empty")
    split = pa.Check.isin(SPLITS, error=f"is not {', '.join(SPLITS)} or empty")
    camera = pa.Check(lambda names: _each_once(names, has_camera), error="has no camera, so no frame can come from it")
    checks = {"device": [camera], "mask": [inside], "frame": [whole], "split": [split]}
    checks |= dict.fromkeys(BOX, [finite]) | dict.fromkeys(finding_columns(table), [one_or_zero])
    columns = {name: pa.Column(None, checks[name], nullable=True) for name in table.columns if name in checks}
    return pa.DataFrameSchema(columns | {"path": pa.Column(None, [inside, once], nullable=False)})


def _number(column: pd.Series) -> pd.Series:
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return pd.Series(values, index=column.index)


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    findings = finding_columns(table)
    types = dict.fromkeys(findings, "Int8") | dict.fromkeys(BOX, "Float64") | {"frame": "Int64"}
    typed = {
        name: pd.to_numeric(table[name]).astype(types[name]) if name in types else _text(table[name])
        for name in table.columns
    }
    typed["path"] = _slashes(table["path"])
    return pd.DataFrame(typed)


def _text(column: pd.Series) -> pd.Series:
    # "p1" and "p1 " are one patient, and " " is none.
    return column.astype("string").str.strip().replace("", pd.NA)


def _slashes(paths: pd.Series) -> pd.Series:
    """Write paths in one way: forward slashes, no empty part and no "."."""
    paths = paths.astype("string")
    odd = paths.str.contains(UNTIDY, regex=True).fillna(False).to_numpy(dtype=bool)
    if odd.any():  # few are, and there may be millions
        one_way = paths[odd].str.replace(r"(?:[/\\]+(?:\.(?=[/\\]))?)+", "/", regex=True).str.removeprefix("./")
        paths = paths.copy()
        paths[odd] = one_way
    return paths


def _each_once(column: pd.Series, function: Callable) -> pd.Series:
    """Map a column of millions of rows and few values, the missing ones left out."""
    return column.map({value: function(value) for value in column.dropna().unique()})

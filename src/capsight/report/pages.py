"""HTML pages: one file that needs no network, every text from data escaped."""

from pathlib import Path

import jinja2

from capsight.files import atomic
from capsight.notice import NOTICE


def write_page(out_file: str | Path, template: str, **content) -> None:
    """Fill a template of this folder and write it as one file. UserError where the file cannot be written."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("capsight.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals["notice"] = NOTICE
    page = environment.get_template(template).render(**content)
    with atomic(out_file) as temporary:
        # A lone surrogate, from a file name that is not UTF-8, must not cost the page.
        temporary.write_text(page, encoding="utf-8", errors="replace", newline="\n")

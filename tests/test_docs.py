"""The commands of the documents are commands that there are, with settings that there are."""

import re
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from capsight.cli import CONF

REPOSITORY = Path(__file__).parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


def commands():
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for script, rest in re.findall(r"python scripts/(\w+)\.py((?: +[^\s`]*=[^`\n]*)*(?: -m[^`\n]*)?)", text):
            yield pytest.param(script, rest, id=f"{page.name}:{script}{rest[:40]}")


@pytest.mark.parametrize(("script", "rest"), list(commands()))
def test_every_command_composes(script, rest):
    assert (REPOSITORY / "scripts" / f"{script}.py").is_file()
    words = [word for word in re.findall(r"""(?:"[^"]*"|'[^']*'|\S)+""", rest) if "=" in word]
    overrides = [word.replace('"', "") for word in words]
    single = [
        re.sub(r"=(\w+|\[\w+\])(?:,(?:\w+|\[\w+\]))+$", r"=\1", word) for word in overrides
    ]  # one of a sweep's values
    with initialize_config_dir(str(CONF), version_base="1.3"):
        compose(script, overrides=single)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_into_the_repository_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("http") or (page.parent / target).exists(), target

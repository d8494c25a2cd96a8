"""The gallery in a real browser: filters, keys, dialogs. A script that presses keys is put into a copy of the page."""

import html
import json
import re
import subprocess

import pytest

from capsight.report.gallery import Card, write_gallery

OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1440,1000", "--dump-dom",
)  # fmt: skip
PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
# Six cards, three in a row at this width or four: polyp and blood, right and wrong, two devices.
CARDS = [
    ("polyp", "A", 1, 0.9), ("polyp", "A", 0, 0.8), ("polyp", "B <i>", 1, 0.1),
    ("blood", "A", 1, 0.9), ("blood", "B <i>", None, 0.5), ("blood", "B <i>", 0, 0.1),
]  # fmt: skip
SCRIPT = """{
const seen = [];
const press = (key, more = {}) => {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, ...more });
  (document.activeElement ?? document.body).dispatchEvent(event);
};
const look = name => seen.push([name, {
  shown: all(".card").flatMap((card, at) => card.hidden ? [] : [at]),
  current: all(".card").indexOf(document.activeElement),
  layer: [...new Set(all(".card .layer").filter(l => !l.hidden).map(l => l.dataset.layer))].join(),
  large: one("#large").open, help: one("#help").open,
  says: one("#large .says").textContent.trim(), sheet: all("#large .layer").filter(l => !l.hidden).length,
  none: !one(".none").hidden, hash: location.hash, count: one(".count").textContent,
}]);
let failed = "";
try { STEPS } catch (error) { failed = String(error); }
const told = document.createElement("pre");
told.id = "seen";
told.textContent = failed || JSON.stringify(seen);
document.body.replaceChildren(told);
}"""


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    cards = [
        Card(path=f"{i}.jpg", finding=finding, probability=probability, threshold=0.45, label=label, original=PIXEL,
             pictures={"cam": PIXEL, "gradcam": PIXEL}, patient=f"p{i}", device=device, standard_deviation=0.03)
        for i, (finding, device, label, probability) in enumerate(CARDS)
    ]  # fmt: skip
    file = tmp_path_factory.mktemp("gallery") / "gallery.html"
    write_gallery(file, cards, title="Six", facts={}, table={})
    return file


@pytest.fixture(scope="module")
def visit(browser, gallery, tmp_path_factory):
    """Open the page at `address`, do `steps` (JavaScript with press and look), return what was seen, by name."""

    def visit(steps: str, address: str = "") -> dict[str, dict]:
        folder = tmp_path_factory.mktemp("visit")
        copy = folder / "gallery.html"
        script = f"<script>{SCRIPT.replace('STEPS', steps)}</script>"
        copy.write_text(gallery.read_text(encoding="utf-8").replace("</body>", script + "</body>"), encoding="utf-8")
        command = [browser, *OPTIONS, f"--user-data-dir={folder / 'profile'}", copy.as_uri() + address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
        assert found, done.stderr[-2000:]
        return dict(json.loads(html.unescape(found[1])))

    return visit


def test_the_address_sets_the_filters_and_the_map(visit):
    seen = visit("look('page')", "#finding=polyp&device=B+%3Ci%3E&verdict=wrong&map=2&overlay=off")["page"]
    assert seen["shown"] == [2] and seen["layer"] == "0" and seen["count"] == "1 of 6 shown"
    odd = visit("look('page')", "#finding=nonsense&map=99&verdict=%3Cscript%3E")["page"]
    assert odd["shown"] == [0, 1, 2, 3, 4, 5] and odd["layer"] == "1"


def test_keys_walk_over_the_cards(visit):
    seen = visit("""
        press("j"); look("start"); press("ArrowRight"); look("right"); press("j"); press("j"); look("j");
        press("k"); look("k"); press("ArrowLeft"); look("left"); press("End"); press("j"); look("end");
        press("Home"); press("k"); look("home"); press("ArrowDown"); look("below"); press("ArrowUp"); look("above");
        press("j", { ctrlKey: true }); look("ctrl");
        press("v"); press("v"); press("j"); look("wrong"); press("j"); look("next wrong");
        press("j"); look("last wrong");
    """)
    walked = {name: found["current"] for name, found in seen.items()}
    below = walked.pop("below")
    assert below in (3, 4)  # the columns depend on the width of the window
    assert walked == {"start": 0, "right": 1, "j": 3, "k": 2, "left": 1, "end": 5, "home": 0, "above": 0, "ctrl": 0,
                      "wrong": 1, "next wrong": 2, "last wrong": 2}  # fmt: skip


def test_keys_change_the_map_of_all_cards_at_once(visit):
    seen = visit("""
        look("first"); press("2"); look("2"); press("m"); look("m"); press("o"); look("off"); press("o"); look("on");
        press("o"); press("m"); look("m shows again"); press("9"); look("9");
    """)
    assert [found["layer"] for found in seen.values()] == ["1", "2", "1", "0", "1", "1", "1"]


def test_keys_filter(visit):
    seen = visit("""
        press("f"); look("polyp"); press("v"); press("v"); look("wrong polyp"); press("F", { shiftKey: true });
        look("wrong"); press("r"); look("all"); press("v"); press("d"); press("d"); look("right, B");
        press("u"); press("u"); look("none"); document.querySelector("#reset").click(); look("reset");
    """)
    assert [found["shown"] for found in seen.values()] == [
        [0, 1, 2], [1, 2], [1, 2], [0, 1, 2, 3, 4, 5], [5], [], [0, 1, 2, 3, 4, 5]
    ]  # fmt: skip
    assert [found["none"] for found in seen.values()] == [False] * 5 + [True, False]
    assert seen["wrong polyp"]["hash"] == "#finding=polyp&verdict=wrong"


def test_enter_enlarges_with_every_map_and_arrows_go_on(visit):
    seen = visit("""
        press("j"); press("j"); press("Enter"); look("open"); press("ArrowRight"); look("next"); press("2"); look("2");
        document.querySelector("#large [data-close]").click(); look("closed");
        document.querySelectorAll(".open")[4].click(); look("clicked");
    """)
    assert seen["open"]["large"] and seen["open"]["sheet"] == 3
    assert seen["open"]["says"] == "polyp: 0.80, give or take 0.03: wrong, false alarm"
    assert seen["next"]["says"].endswith("wrong, missed") and seen["2"]["layer"] == "1"
    assert not seen["closed"]["large"]
    assert seen["clicked"]["says"] == "blood: 0.50, give or take 0.03: label unknown"


def test_the_keys_are_told_and_selects_keep_theirs(visit):
    seen = visit("""
        press("?"); look("help"); press("f"); look("in help"); document.querySelector("#help").close();
        document.querySelector("#device").focus(); press("f"); look("in a select"); press("Escape"); look("left");
    """)
    assert seen["help"]["help"] and len(seen["in help"]["shown"]) == 6
    assert len(seen["in a select"]["shown"]) == 6 and seen["left"]["current"] == 0

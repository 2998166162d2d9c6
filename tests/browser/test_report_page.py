"""The report's page in a real browser: narrow as a phone, and in both colour schemes.

The page stands in a frame as wide as a phone, because a window cannot be made so narrow; the document around
it, which is not under the page's policy against scripts, measures it.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from report_documents import page

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (Debian: apt-get install chromium)")

LIGHT, DARK = 1, 0  # as Chromium counts them
LONG = [
    "background",
    "a-name-that-can-not-be-broken-and-is-wider-than-any-phone-would-ever-like",
    *(f"class number {c} of many" for c in range(2, 21)),
]
FRAME = """<!doctype html><meta name="color-scheme" content="light dark">
<iframe style="border:0;width:{width}px;height:800px" srcdoc="{page}"></iframe><pre id="found"></pre>
<script>
onload = () => {{
  const inner = document.querySelector("iframe").contentDocument, root = inner.documentElement;
  document.getElementById("found").textContent = JSON.stringify({{
    client: root.clientWidth, scroll: Math.max(root.scrollWidth, inner.body.scrollWidth),
    background: getComputedStyle(inner.body).backgroundColor, text: getComputedStyle(inner.body).color,
    boxes: [...inner.querySelectorAll(".scroll")].map(box => box.getBoundingClientRect().right),
    pictures: [...inner.images].map(image => image.complete && image.naturalWidth),
  }});
}};
</script>"""


def measured(folder: Path, text: str, width: int = 360, scheme: int = LIGHT) -> dict[str, object]:
    """What the browser makes of a page in a frame of so many CSS pixels."""
    file = folder / "frame.html"
    file.write_text(FRAME.format(width=width, page=html.escape(text)), encoding="utf-8")
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", f"--user-data-dir={folder / 'profile'}",
        f"--blink-settings=preferredColorScheme={scheme}", "--window-size=1400,1000", "--dump-dom", file.as_uri(),
    ]  # fmt: skip
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = re.search(r'<pre id="found">(.*?)</pre>', dom)
    assert found, dom[-2000:]
    return json.loads(html.unescape(found[1]))


def brightness(colour: object) -> float:
    return sum(int(value) for value in re.findall(r"\d+", str(colour))[:3]) / 3


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_the_body_does_not_scroll_sideways(width: int, tmp_path: Path) -> None:
    confusion = [[1000 if t == p else 3 for p in range(21)] for t in range(21)]
    found = measured(tmp_path, page(LONG, confusion), width)
    assert isinstance(found["boxes"], list)
    assert found["scroll"] == found["client"]
    assert 0 < int(str(found["client"])) <= width
    assert all(0 < right <= width for right in found["boxes"])


def test_an_overflow_would_be_seen(tmp_path: Path) -> None:
    found = measured(tmp_path, page().replace("<main>", '<main><div style="width:900px">wide</div>'))
    assert int(str(found["scroll"])) > int(str(found["client"]))


def test_the_light_scheme_is_dark_on_light(tmp_path: Path) -> None:
    found = measured(tmp_path, page(), scheme=LIGHT)
    assert brightness(found["background"]) > 230
    assert brightness(found["text"]) < 60


def test_the_dark_scheme_is_light_on_dark(tmp_path: Path) -> None:
    found = measured(tmp_path, page(), scheme=DARK)
    assert brightness(found["background"]) < 40
    assert brightness(found["text"]) > 200


def test_pictures_are_shown_under_the_policy_of_the_page(tmp_path: Path) -> None:
    assert measured(tmp_path, page())["pictures"] == [4 * 192 + 3 * 8]

"""The made-up run that is opened in a browser, and what is read off its page."""

import json

from made_up_posts import crisis

from annotate.browsers import Browser
from crisislens.domain.assessment import Assessment
from crisislens.domain.place import GeoLocation, Place

POSTS = 90
# files and the clipboard cannot be read back here, so what would go there is caught
CATCH = """
window.caught = [];
URL.createObjectURL = (file) => { file.text().then((text) => window.caught.push(text)); return "#"; };
const writeText = (text) => { window.copied = text; return Promise.resolve(); };
Object.defineProperty(navigator, "clipboard", { value: { writeText } });
"""
PONCE = Place(id="city:1", name="Ponce", kind="city", country="PR", lat=18.01, lon=-66.61)


def made_up_run() -> list[Assessment]:
    """Posts of the made-up crisis; every fifth names Ponce, and some have coordinates."""
    found = []
    for i, a in enumerate(crisis(POSTS)[0]):
        where = None
        if i % 5 == 0:
            where = GeoLocation(lat=18.01, lon=-66.61, source="text", place=PONCE, confidence=0.9)
        elif i % 5 == 1:
            where = GeoLocation(lat=18.2 + i / 1000, lon=-66.1, source="post", confidence=1.0)
        post = a.post.model_copy(update={"url": f"https://example.org/{i}"})
        found.append(a.model_copy(update={"location": where, "post": post}))
    return found


def shown(browser: Browser) -> list[str]:
    """The ids on the page of the list that is shown."""
    found: list[str] = browser.run("[...document.querySelectorAll('#cards .id bdi')].map(x => x.textContent)")
    return found


def count(browser: Browser) -> str:
    found: str = browser.run("document.getElementById('count').textContent")
    return found


def found_at(browser: Browser, address: str) -> int:
    """How many posts the list counts at an address of the open page."""
    browser.run(f"location.hash = 'about'; location.hash = {json.dumps(address)}")
    browser.until("!document.getElementById('read').hidden")
    return int(count(browser).split(" ")[0])

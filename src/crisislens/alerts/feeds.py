"""Alerts as others read them: an Atom feed (RFC 4287) and a table with HXL tags (https://hxlstandard.org)."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from xml.etree import ElementTree as ET

from crisislens.alerts.rules import rule_in_words, what_is_counted
from crisislens.report.display import visible
from crisislens.report.tables import spreadsheet_cell
from crisislens.store.records import AlertRow

__all__ = ["HXL_COLUMNS", "atom_feed", "hxl_table"]

ATOM: Final = "http://www.w3.org/2005/Atom"
HXL_COLUMNS: Final = {
    "alert": "#meta+id+alert",
    "uid": "#meta+uid",
    "rule": "#meta+rule",
    "question": "#indicator+code+task",
    "answer": "#severity+code+label",
    "place": "#loc+code",
    "place_name": "#loc+name",
    "state": "#status",
    "level": "#indicator+level+num",
    "different_posts": "#indicator+posts+num",
    "began_at": "#date+start",
    "full_at": "#date+end",
    "opened_at": "#date+raised",
    "posts": "#meta+id+posts",
}
_BOM: Final = "\ufeff"


def atom_feed(alerts: Sequence[AlertRow], base_url: str) -> str:
    """The feed; an alert that becomes graver or is closed is the same entry, updated.

    Arguments:
        alerts: The newest first.
        base_url: Where people reach the service, without a slash at the end.
    """
    newest = max((one.changed_at for one in alerts), default=datetime.fromtimestamp(0, UTC))
    feed = ET.Element("feed", {"xmlns": ATOM})
    _text(feed, "id", f"{base_url}/v1/alerts.atom")
    _text(feed, "title", "Alerts of crisislens")
    _text(feed, "updated", newest.isoformat())
    ET.SubElement(feed, "link", {"rel": "self", "href": f"{base_url}/v1/alerts.atom"})
    ET.SubElement(feed, "link", {"href": f"{base_url}/alerts"})
    # a feed must name an author; no person wrote these
    _text(ET.SubElement(feed, "author"), "name", "crisislens, counted from a model's answers, not verified")
    for one in alerts:
        _entry(feed, one, base_url)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(feed, encoding="unicode") + "\n"


def _entry(feed: ET.Element, alert: AlertRow, base_url: str) -> None:
    entry = ET.SubElement(feed, "entry")
    where = alert.place_name or alert.place
    title = f"{what_is_counted(alert.spec)} – {where} (level {alert.level}, {alert.state})"
    _text(entry, "id", f"urn:crisislens:alert:{alert.uid}")
    _text(entry, "title", title)
    _text(entry, "updated", alert.changed_at.isoformat())
    _text(entry, "published", alert.opened_at.isoformat())
    ET.SubElement(entry, "link", {"href": f"{base_url}/alerts/{alert.id}"})
    ET.SubElement(entry, "category", {"term": alert.spec.label, "scheme": alert.spec.task})
    for number in alert.post_ids:
        ET.SubElement(entry, "link", {"rel": "related", "href": f"{base_url}/posts/{number}"})
    said = f"{alert.most} different posts in one window. {rule_in_words(alert.spec)}."
    _text(entry, "summary", said)


def _text(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = visible(text)


def hxl_table(alerts: Sequence[AlertRow]) -> str:
    """A header, its tags, and a row an alert; no cell is a formula."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HXL_COLUMNS)
    writer.writerow(HXL_COLUMNS.values())
    for one in alerts:
        writer.writerow([spreadsheet_cell(value) for value in _row(one)])
    return _BOM + text.getvalue()


def _row(alert: AlertRow) -> list[Any]:
    return [
        alert.id,
        alert.uid,
        alert.rule,
        alert.spec.task,
        alert.spec.label,
        alert.place,
        alert.place_name,
        alert.state,
        alert.level,
        alert.most,
        alert.began_at,
        alert.full_at,
        alert.opened_at,
        [str(number) for number in alert.post_ids],
    ]

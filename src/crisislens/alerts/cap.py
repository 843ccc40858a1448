"""Messages of the Common Alerting Protocol 1.2 (OASIS, 1 July 2010), drafted from an alert.

A draft decides nothing: urgency, severity and certainty are `Unknown`, status is `Draft`, scope `Restricted`.
A person decides each of them and releases the message; a program cannot. What is released was checked twice,
by the schema of OASIS (`CAP-v1.2.xsd`) and by what the standard says in words and the schema does not hold:
no blanks, commas, `<` or `&` in identifier and sender, coordinates that exist, an area for each message, a
reference for each Update and Cancel, an end that lies after the beginning.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final, Literal, get_args
from xml.etree import ElementTree as ET

from pydantic import Field, ValidationError, model_validator

from crisislens.alerts.rules import what_is_counted
from crisislens.core.errors import InputError
from crisislens.core.optional import require
from crisislens.report.display import visible
from crisislens.store.records import AlertRow
from crisislens.store.records.base import Record

__all__ = ["CHOICES", "NAMESPACE", "CapFields", "cap_check", "cap_xml", "decided", "draft_of", "reference_to"]

NAMESPACE: Final = "urn:oasis:names:tc:emergency:cap:1.2"
_NAME = re.compile(r"[^\s,<&]+")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_REFERENCE = re.compile(r"[^\s,<&]+,[^\s,<&]+,[^\s,<&]+")
_EXPIRES_H = 12
_RADIUS_KM = 10.0
Status = Literal["Draft", "Exercise", "Actual", "Test", "System"]
MessageType = Literal["Alert", "Update", "Cancel"]
Category = Literal[
    "Geo",
    "Met",
    "Safety",
    "Security",
    "Rescue",
    "Fire",
    "Health",
    "Env",
    "Transport",
    "Infra",
    "CBRNE",
    "Other",
]
Urgency = Literal["Immediate", "Expected", "Future", "Past", "Unknown"]
Severity = Literal["Extreme", "Severe", "Moderate", "Minor", "Unknown"]
Certainty = Literal["Observed", "Likely", "Possible", "Unlikely", "Unknown"]


class CapFields(Record):
    """What a message says."""

    sender: str = Field(max_length=200, description="As `ops@example.org`; no blanks, commas, `<` or `&`")
    status: Status = "Draft"
    msg_type: MessageType = "Alert"
    scope: Literal["Public", "Restricted", "Private"] = "Restricted"
    restriction: str = Field(default="responders", max_length=500, description="Needed where Restricted")
    addresses: str = Field(default="", max_length=2_000, description="Needed where Private")
    references: tuple[str, ...] = Field(default=(), max_length=50, description="`sender,identifier,sent`")
    note: str = Field(default="", max_length=2_000)
    language: str = Field(default="en", max_length=35)
    category: Category = "Rescue"
    event: str = Field(min_length=1, max_length=200)
    urgency: Urgency = "Unknown"
    severity: Severity = "Unknown"
    certainty: Certainty = "Unknown"
    expires: datetime | None = None
    sender_name: str = Field(default="", max_length=200)
    headline: str = Field(default="", max_length=160)
    description: str = Field(default="", max_length=10_000)
    instruction: str = Field(default="", max_length=10_000)
    area: str = Field(min_length=1, max_length=500)
    lat: float | None = Field(default=None, ge=-90, le=90)
    lon: float | None = Field(default=None, ge=-180, le=180)
    radius_km: float = Field(default=_RADIUS_KM, ge=0, le=20_040)

    @model_validator(mode="after")
    def _as_the_standard_says(self) -> "CapFields":
        if not _NAME.fullmatch(self.sender):
            raise ValueError("sender: no blanks, commas, '<' or '&', as ops@example.org")
        if not _LANGUAGE.fullmatch(self.language):
            raise ValueError("language: as en or es-PR")
        if self.scope == "Restricted" and not self.restriction.strip():
            raise ValueError("restriction: say who may read it, or choose another scope")
        if self.scope == "Private" and not self.addresses.strip():
            raise ValueError("addresses: say whom it is for, or choose another scope")
        if self.msg_type != "Alert" and not self.references:
            raise ValueError(f"references: an {self.msg_type} names the message that it changes")
        if any(not _REFERENCE.fullmatch(one) for one in self.references):
            raise ValueError("references: each is sender,identifier,sent")
        if (self.lat is None) != (self.lon is None):
            raise ValueError("lat, lon: give both or none")
        return self


def draft_of(alert: AlertRow, *, sender: str, at: tuple[float, float] | None = None) -> CapFields:
    """What a message of an alert may begin with; every judgement in it is left open.

    Arguments:
        alert: The alert.
        sender: Who would send it.
        at: Latitude and longitude of its place, in degrees.

    Raises:
        InputError: If the sender cannot be one.
    """
    where = visible(alert.place_name or alert.place)
    what = what_is_counted(alert.spec)
    many = f"{alert.most} different posts" if alert.most > 1 else "One post"
    values: dict[str, Any] = {
        "sender": sender,
        "event": what[:200],
        "headline": f"{what}, {where}"[:160],
        "description": (
            f"{many} on social media or by message, the first of {alert.began_at:%Y-%m-%d %H:%M} UTC, "
            "as a model read them. Not verified."
        ),
        "area": where[:500],
        "lat": None if at is None else at[0],
        "lon": None if at is None else at[1],
    }
    return _read(values)


def decided(draft: CapFields, values: dict[str, Any]) -> CapFields:
    """A draft with what a person decided.

    Arguments:
        draft: What stands.
        values: What was decided; urgency, severity, certainty and status must be among it.

    Raises:
        InputError: If one is missing, or what comes out is no message; the sentence names the field.
    """
    missing = {"status", "urgency", "severity", "certainty"} - values.keys()
    if missing:
        raise InputError(f"{', '.join(sorted(missing))}: a person decides this; it has no default")
    return _read({**draft.model_dump(), **values})


def _read(values: dict[str, Any]) -> CapFields:
    try:
        return CapFields.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{where}: {first['msg']}" if where else str(first["msg"])) from None


def reference_to(xml: str) -> str:
    """How another message names a released one: sender, identifier and the time that stands in it."""
    root = ET.fromstring(xml)
    names = ("sender", "identifier", "sent")
    return ",".join(root.findtext(f"{{{NAMESPACE}}}{name}") or "" for name in names)


def cap_xml(fields: CapFields, identifier: str, sent: datetime) -> str:
    """The message as XML, checked.

    Arguments:
        fields: What it says.
        identifier: Its name, unique for the sender.
        sent: When it is sent.

    Raises:
        InputError: If it is no message of the standard.
        MissingExtraError: If lxml is not installed.
    """
    root = ET.Element("alert", {"xmlns": NAMESPACE})
    head = [("identifier", identifier), ("sender", fields.sender), ("sent", _time(sent))]
    head += [("status", fields.status), ("msgType", fields.msg_type), ("scope", fields.scope)]
    head += [("restriction", fields.restriction if fields.scope == "Restricted" else "")]
    head += [("addresses", fields.addresses if fields.scope == "Private" else ""), ("note", fields.note)]
    head += [("references", " ".join(fields.references))]
    _fill(root, head)
    info = ET.SubElement(root, "info")
    said = [("language", fields.language), ("category", fields.category), ("event", fields.event)]
    said += [("urgency", fields.urgency), ("severity", fields.severity), ("certainty", fields.certainty)]
    said += [("expires", _time(fields.expires or sent + timedelta(hours=_EXPIRES_H)))]
    said += [("senderName", fields.sender_name), ("headline", fields.headline)]
    said += [("description", fields.description), ("instruction", fields.instruction)]
    _fill(info, said)
    area = ET.SubElement(info, "area")
    circle = "" if fields.lat is None else f"{fields.lat:.4f},{fields.lon:.4f} {fields.radius_km:.1f}"
    _fill(area, [("areaDesc", fields.area), ("circle", circle)])
    text = '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
    cap_check(text)
    return text


def cap_check(xml: str) -> None:
    """Holds a message against the schema of OASIS and against what the standard says in words.

    Raises:
        InputError: If it does not fit; the sentence says where.
        MissingExtraError: If lxml is not installed.
    """
    schema, parser = _schema()
    etree = require("lxml.etree", extra="serve")
    try:
        tree = etree.fromstring(xml.encode(), parser)
    except etree.XMLSyntaxError as error:
        raise InputError(f"the message is no XML ({error})") from None
    if not schema.validate(tree):
        raise InputError(f"the message is none of CAP 1.2: {schema.error_log[0].message}")
    found = {name: [e.text or "" for e in tree.iter(f"{{{NAMESPACE}}}{name}")] for name in _CHECKED}
    for name in ("identifier", "sender"):
        if not _NAME.fullmatch(found[name][0]):
            raise InputError(f"{name}: no blanks, commas, '<' or '&' may stand in it")
    for circle in found["circle"]:
        _check_circle(circle)
    sent = datetime.fromisoformat(found["sent"][0])
    for end in found["expires"]:
        if datetime.fromisoformat(end) <= sent:
            raise InputError("expires: it must lie after the time at which the message is sent")
    if found["msgType"][0] in ("Update", "Cancel") and not found["references"]:
        raise InputError("references: an Update or a Cancel names the message that it changes")


_CHECKED: Final = ("identifier", "sender", "sent", "expires", "circle", "msgType", "references")


def _check_circle(text: str) -> None:
    try:
        point, radius = text.split(" ")
        lat, lon = (float(part) for part in point.split(","))
        fits = abs(lat) <= 90 and abs(lon) <= 180 and float(radius) >= 0
    except ValueError:
        fits = False
    if not fits:
        raise InputError(f"circle: {text!r:.60} is none; expected latitude,longitude and a radius in km")


def _fill(parent: ET.Element, parts: Sequence[tuple[str, str]]) -> None:
    for name, text in parts:
        # an element that says nothing is left out, as the standard has it
        if text.strip():
            ET.SubElement(parent, name).text = visible(text)


def _time(when: datetime) -> str:
    """As CAP wants it: whole seconds, and never a Z."""
    return when.astimezone(UTC).replace(microsecond=0).isoformat()


@lru_cache(maxsize=1)
def _schema() -> tuple[Any, Any]:
    etree = require("lxml.etree", extra="serve")
    # nothing is fetched, no entity is resolved: a message may be somebody else's
    parser = etree.XMLParser(no_network=True, resolve_entities=False, huge_tree=False)
    text = files("crisislens.alerts").joinpath("CAP-v1.2.xsd").read_bytes()
    return etree.XMLSchema(etree.fromstring(text, parser)), parser


CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "status": get_args(Status),
    "msg_type": get_args(MessageType),
    "category": get_args(Category),
    "urgency": get_args(Urgency),
    "severity": get_args(Severity),
    "certainty": get_args(Certainty),
}
"""What a person chooses from."""

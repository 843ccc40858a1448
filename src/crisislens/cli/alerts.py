"""`crisislens alerts`: rules, what they raised, and what they would have raised."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crisislens.cli.console import say, table
from crisislens.cli.store import DB_HELP, MOST_DAYS, row_number, store_of
from crisislens.core.errors import InputError
from crisislens.report.display import moment, visible

if TYPE_CHECKING:
    from crisislens.store.records import RuleSpec

__all__ = ["app"]

Db = Annotated[str | None, typer.Option(help=DB_HELP)]
Hours = Annotated[float, typer.Option(min=0.1, max=24 * MOST_DAYS, help="How far back, in hours.")]
# photos are not looked at here
_NO_PHOTOS = Path("blobs")
_LISTED = 8
# where `serve` listens unless it is told otherwise
_ADDRESS = "http://127.0.0.1:8765"

app = typer.Typer(
    help="Rules that raise alerts; the alerts; what a rule would have raised.", no_args_is_help=True
)


@app.command("rules")
def list_rules(db: Db = None) -> None:
    """List the rules, as sentences."""
    from crisislens.alerts.rules import rule_in_words

    with store_of(db, _NO_PHOTOS, write=False) as store:
        rules = store.alert_rules.all()
    for rule in rules:
        say(f"{rule.name}{'' if rule.enabled else ' (off)'}: {rule_in_words(rule.spec)}")
    if not rules:
        say("no rule yet; add one: crisislens alerts add calls")


@app.command("add")
def add_rule(
    name: Annotated[str, typer.Argument(help="Its name; calls, rescue, water and damage bring values.")],
    task: Annotated[
        str | None, typer.Option(help="The question, as needs; meaning counts either of two.")
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="The answer that is counted, as rescue or calls_for_help.")
    ] = None,
    least: Annotated[int | None, typer.Option(min=1, max=1000, help="How many different posts.")] = None,
    window: Annotated[int | None, typer.Option(min=1, max=10080, help="Within how many minutes.")] = None,
    place: Annotated[str | None, typer.Option(help="Only this place, by its id, as city:1283240.")] = None,
    source: Annotated[list[str] | None, typer.Option(help="Only posts of this source.")] = None,
    sure: Annotated[float, typer.Option(min=0, max=1, help="The model is at least this sure.")] = 0.0,
    answered: Annotated[
        bool, typer.Option("--count-answered", help="Count posts that a person has judged, too.")
    ] = False,
    db: Db = None,
) -> None:
    """Add a rule; crisislens alerts test NAME shows first what it would have raised."""
    from crisislens.alerts.rules import rule_in_words

    given = {"task": task, "label": label, "least": least, "window_min": window, "place": place}
    more = {"sources": tuple(source or ()), "min_confidence": sure, "unanswered": not answered}
    spec = _spec(name, {key: value for key, value in given.items() if value is not None} | more)
    with store_of(db, _NO_PHOTOS) as store:
        rule = store.alert_rules.add(name, spec, actor="cli")
    say(f"{rule.name}: {rule_in_words(rule.spec)}")


def _spec(name: str, given: "dict[str, object]") -> "RuleSpec":
    from pydantic import ValidationError

    from crisislens.alerts.rules import EXAMPLES
    from crisislens.store.records import RuleSpec

    usual = EXAMPLES.get(name)
    values = {} if usual is None else usual.model_dump()
    try:
        return RuleSpec.model_validate(values | given)
    except ValidationError as error:
        first = error.errors()[0]
        where = {"window_min": "window"}.get(str(first["loc"][0]), str(first["loc"][0]))
        raise InputError(
            f"--{where}: {first['msg']}; a rule needs --task, --label, --least, --window"
        ) from None


@app.command("remove")
def remove_rule(name: Annotated[str, typer.Argument(help="Its name.")], db: Db = None) -> None:
    """Remove a rule; its alerts stay."""
    with store_of(db, _NO_PHOTOS) as store:
        store.alert_rules.remove(store.alert_rules.by_name(name).id, actor="cli")
    say(f"the rule {name} is removed; its alerts stay")


@app.command("test")
def try_a_rule(
    name: Annotated[str, typer.Argument(help="The rule's name, or that of an example.")],
    hours: Hours = 168,
    db: Db = None,
) -> None:
    """Show what a rule would have raised in the past; nothing is written or sent."""
    from crisislens.alerts.evaluate import try_rule
    from crisislens.alerts.rules import EXAMPLES, rule_in_words

    until = datetime.now(UTC)
    with store_of(db, _NO_PHOTOS, write=False) as store:
        known = {rule.name: rule.spec for rule in store.alert_rules.all()}
        spec = known.get(name) or EXAMPLES.get(name) or store.alert_rules.by_name(name).spec
        trial = try_rule(store, spec, until - timedelta(hours=hours), until)
    say(rule_in_words(spec))
    rows = [
        [
            moment(one.began_at),
            moment(one.full_at),
            visible(one.name),
            str(one.level),
            str(one.most),
            _numbers(one.post_ids),
        ]
        for one in trial.raised
    ]
    if rows:
        columns = ["first post (UTC)", "last full", "place", "level", "different", "posts"]
        table("would have been raised", columns, rows, words=True)
    cut = "; older ones were left out, as there are too many" if trial.cut else ""
    say(f"{len(rows)} alerts from {trial.posts} posts of the last {hours:g} hours{cut}")


@app.command("list")
def list_alerts(
    state: Annotated[str | None, typer.Option(help="open, answered or dismissed.")] = None,
    most: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 50,
    db: Db = None,
) -> None:
    """List the alerts that were raised, the newest first, with the posts that each rests on."""
    if state not in (None, "open", "answered", "dismissed"):
        raise InputError(f"an alert is open, answered or dismissed, not {state!r:.40}")
    with store_of(db, _NO_PHOTOS, write=False) as store:
        found = store.alerts.list(state=state, most=most)  # type: ignore[arg-type]
    rows = [
        [
            str(one.id),
            moment(one.opened_at),
            visible(one.rule),
            visible(one.place_name or one.place),
            one.state,
            str(one.level),
            str(one.most),
            _numbers(one.post_ids),
        ]
        for one in found
    ]
    if rows:
        columns = ["alert", "raised (UTC)", "rule", "place", "state", "level", "different", "posts"]
        table("alerts", columns, rows, words=True)
    say(f"{len(rows)} alerts" if rows else "no alert")


@app.command("ways")
def list_ways(db: Db = None) -> None:
    """List the ways out, and what failed last; the page Alerts adds them."""
    with store_of(db, _NO_PHOTOS, write=False) as store:
        ways = store.outlets.all()
    for way in ways:
        state = "on" if way.enabled else "off"
        failing = f", failing since {moment(way.failing_since)}: {way.said}" if way.failing_since else ""
        counts = f"{way.waiting} waiting, {way.failed} given up"
        say(visible(f"{way.id:3} {way.name} ({way.kind}, {state}): {counts}{failing}"))
    if not ways:
        say("no way out yet; an administrator adds one on the page Alerts")


@app.command("deliveries")
def list_deliveries(
    state: Annotated[str | None, typer.Option(help="waiting, sent or failed.")] = None,
    most: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 50,
    db: Db = None,
) -> None:
    """List what was sent and what was not, the newest first, with the last answer."""
    if state not in (None, "waiting", "leased", "sent", "failed"):
        raise InputError(f"a message is waiting, sent or failed, not {state!r:.40}")
    with store_of(db, _NO_PHOTOS, write=False) as store:
        found = store.deliveries.list(state=state, most=most)
    for one in found:
        said = " ".join((one.said or "").split())[:120]
        alert = "" if one.alert_id is None else f" alert {one.alert_id}"
        say(visible(f"{one.id:5} {one.state:8} {one.kind}{alert} to {one.outlet}, {one.tries} tries; {said}"))
    if not found:
        say("no message")


@app.command("redeliver")
def redeliver(
    number: Annotated[
        int, typer.Argument(help="Of the message, as deliveries shows it.", callback=row_number)
    ],
    db: Db = None,
) -> None:
    """Send a message again, with its id and its body, when the service runs next."""
    with store_of(db, _NO_PHOTOS) as store:
        row = store.deliveries.redeliver(number, actor="cli")
    say(f"message {row.id} to {row.outlet} is sent again as {row.uid}")


@app.command("digest")
def digest(
    hours: Annotated[int, typer.Option(min=1, max=8784, help="How many hours.")] = 6,
    place: Annotated[str | None, typer.Option(help="Id of a place; everywhere without.")] = None,
    form: Annotated[str, typer.Option(help="markdown, html or json.")] = "markdown",
    address: Annotated[str, typer.Option(help="Where people reach the service.")] = _ADDRESS,
    db: Db = None,
) -> None:
    """Print the last hours in sentences, each with the posts that say so."""
    from crisislens.live.digest import digest_of
    from crisislens.live.forms import html_digest, markdown_digest

    if form not in ("markdown", "html", "json"):
        raise InputError(f"a digest is markdown, html or json, not {form!r:.40}")
    with store_of(db, _NO_PHOTOS, write=False) as store:
        found = digest_of(store, hours, place=place)
    if form == "json":
        say(found.model_dump_json())
        return
    write = markdown_digest if form == "markdown" else html_digest
    say(write(found, address.rstrip("/")).rstrip("\n"))


@app.command("rising")
def rising_now(
    hours: Annotated[int, typer.Option(min=1, max=168, help="The length of a block.")] = 6, db: Db = None
) -> None:
    """Show what rises against its own past, with the test's figures."""
    from crisislens.live.bursts import TEST
    from crisislens.live.rising import rising

    with store_of(db, _NO_PHOTOS, write=False) as store:
        looked = rising(store, hours)
    rows = [
        [
            visible(one.place_name or ("everywhere" if one.place == "*" else one.place)),
            visible(one.title),
            str(one.now),
            f"{one.usual:.1f}",
            f"{one.clumps:.1f}",
            f"{one.p:.1e}",
            _numbers(one.post_ids),
        ]
        for one in looked.found
    ]
    if rows:
        columns = ["where", "what", "now", "usual", "clumps", "p", "posts"]
        table(f"rising in the last {hours} h", columns, rows, words=True)
    said = "nothing rises; " if not rows and looked.looked else ""
    say(f"{said}{looked.looked} series, {looked.blocks} blocks of {hours} h before; {TEST}")


def _numbers(ids: "tuple[int, ...]") -> str:
    shown = " ".join(str(number) for number in ids[:_LISTED])
    return f"{shown} and {len(ids) - _LISTED} more" if len(ids) > _LISTED else shown

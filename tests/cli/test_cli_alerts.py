"""The commands of alerts: what they print, and what they refuse in one sentence."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="the extra serve is not installed")

from typer.testing import CliRunner

from alert_posts import NOW, ask
from crisislens.alerts.evaluate import evaluate
from crisislens.cli.main import app
from crisislens.core.errors import ConflictError, InputError, NotFoundError
from crisislens.store import open_store
from store_template import new_file

Command = Callable[..., str]


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A store in which four posts of one place asked for water some minutes ago."""
    file = new_file(tmp_path / "crisis.db")
    shift = (datetime.now(UTC) - NOW) / timedelta(minutes=1)
    with open_store(str(file), least_free_bytes=0) as store:
        ask(store, shift - 20, shift - 15, shift - 10, shift - 5)
    return file


@pytest.fixture
def run(db: Path) -> Command:
    """Runs a command on the store and gives what it prints."""

    def call(*arguments: object) -> str:
        done = CliRunner().invoke(app, ["alerts", *map(str, arguments), "--db", str(db)])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.output

    return call


def test_from_a_rule_to_its_alerts(run: Command, db: Path) -> None:
    assert "no rule yet" in run("rules")
    assert run("list").strip() == "no alert"
    # an example that is no rule yet can be tried
    assert "0 alerts from 4 posts" in run("test", "water")
    water = ("--task", "needs", "--label", "water", "--least", 3, "--window", 30)
    assert "at least 3 different posts" in run("add", "thirst", *water)
    tried = run("test", "thirst", "--hours", 2)
    assert "1 alerts from 4 posts of the last 2 hours" in tried
    assert "Ponce" in tried
    assert run("list").strip() == "no alert"
    with open_store(str(db)) as store:
        evaluate(store)
    assert "1 2 3 4" in run("list", "--state", "open")
    assert "thirst: Calls and needs: Water needed" in run("rules")
    assert "its alerts stay" in run("remove", "thirst")
    assert "1 alerts" in run("list")


def test_an_example_brings_its_values(run: Command) -> None:
    assert "at least 5 different posts at one place within 30 minutes" in run("add", "rescue")
    with pytest.raises(ConflictError, match="already"):
        run("add", "rescue")
    assert "none answered" not in run("add", "water", "--count-answered", "--least", 2)


def test_what_is_refused(run: Command) -> None:
    with pytest.raises(InputError, match="--task: Field required; a rule needs"):
        run("add", "new")
    with pytest.raises(NotFoundError, match="there is no rule 'fire'; there are: none yet"):
        run("test", "fire")
    with pytest.raises(NotFoundError):
        run("remove", "fire")
    with pytest.raises(InputError, match="open, answered or dismissed"):
        run("list", "--state", "gone")


def test_ways_out_and_what_was_sent(run: Command, db: Path) -> None:
    assert "no way out yet" in run("ways")
    assert run("deliveries").strip() == "no message"
    with open_store(str(db)) as store:
        one = store.outlets.add("hook", "webhook", "https://hooks.example.org", actor="cli")[1]
        store.outlets.ping(one.id, actor="cli")
        [message] = store.deliveries.claim("a")
        store.deliveries.missed("a", message.row.id, "busy\u202e", final=True)
    assert "hook (webhook, on): 0 waiting, 1 given up, failing since" in run("ways")
    listed = run("deliveries", "--state", "failed")
    assert "failed   ping to hook, 1 tries; busy" in listed
    assert "\u202e" not in listed
    assert f"is sent again as {message.row.uid}" in run("redeliver", message.row.id)
    with pytest.raises(ConflictError, match="still on its way"):
        run("redeliver", message.row.id)
    with pytest.raises(InputError, match="waiting, sent or failed"):
        run("deliveries", "--state", "lost")


def test_the_last_hours_and_what_rises(run: Command) -> None:
    text = run("digest", "--hours", 2, "--address", "https://lens.example.org/")
    assert text.startswith("**Everywhere, last 2 h: 4 informative, ")
    assert "(https://lens.example.org/posts/1)" in text
    assert run("digest", "--form", "html").startswith("<p><strong>")
    assert '"sentences":[{' in run("digest", "--form", "json")
    assert "0 series, 0 blocks of 6 h before" in run("rising")
    with pytest.raises(InputError, match="markdown, html or json"):
        run("digest", "--form", "pdf")

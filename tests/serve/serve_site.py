"""A running service for tests, and a worker that answers without a model."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import pytest
from fastapi import FastAPI, routing
from starlette.testclient import TestClient

from crisislens.domain.assessment import Assessment, Provenance, TaskAssessment
from crisislens.domain.tasks import ASKED, Task
from crisislens.serve.access import COOKIE
from crisislens.serve.app import create_app
from crisislens.serve.limits import Limits
from crisislens.serve.service import ServeSettings
from crisislens.store import Store, open_store
from crisislens.store.records import Done, Job, Role, UserRow
from store_template import new_file

__all__ = ["QUICK", "ROLES", "Person", "Site", "assessed", "open_site", "share_routes"]

QUICK = ServeSettings(host="testserver", limits=Limits(stream_s=0.05, calls_s=10_000, sign_ins_min=10_000))
ROLES: tuple[Role, ...] = get_args(Role)
PROVENANCE = Provenance(
    model="hand-made",
    model_version="1",
    model_fingerprint="a" * 16,
    encoder_fingerprint="b" * 16,
    crisislens_version="0",
    analyzed_at="2026-03-06T14:00:00+00:00",
)
# all applications have the same routes, and to write their document takes most of a second
_DOCUMENT: dict[str, Any] = {}


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in."""

    user: UserRow
    token: str
    csrf: str

    @property
    def headers(self) -> dict[str, str]:
        """The cookie and the proof, as a page sends them."""
        return {"Cookie": f"{COOKIE}={self.token}", "X-CSRF-Token": self.csrf}


@dataclass
class Site:
    """The service under test."""

    app: FastAPI
    client: TestClient
    store: Store
    people: dict[Role, Person]
    keys: dict[Role, str]
    more: dict[str, Person] = field(default_factory=dict)

    def key(self, role: Role) -> dict[str, str]:
        """The header of a program."""
        return {"Authorization": f"Bearer {self.keys[role]}"}

    def person(self, name: str, role: Role = "reviewer") -> Person:
        """One more person."""
        if name not in self.more:
            self.more[name] = _person(self.store, name, role)
        return self.more[name]

    def send(self, *posts: dict[str, Any], source: str = "radio") -> list[int]:
        """Sends posts and gives their numbers."""
        answer = self.client.post(
            f"/v1/posts?source={source}", json=list(posts), headers=self.key("reviewer")
        )
        assert answer.status_code in (200, 202), answer.text
        return [row["id"] for row in answer.json()["results"]]

    def work(self, **more: Any) -> int:
        """Assesses what waits, as a worker would; how many posts that were."""
        whole = 0
        while jobs := self.store.queue.claim("worker", 64):
            found = [
                Done(post_id=job.post_id, doc=assessed(job, **more), partial=job.partial) for job in jobs
            ]
            whole += self.store.queue.finish("worker", found)
        return whole


def assessed(job: Job, **more: Any) -> str:
    """What a model might say: damage where the text says so, with the urgency of its length."""
    severe = "destroyed" in job.post.text
    tasks = {
        "informativeness": answer(ASKED[0], "informative", 0.9),
        "humanitarian": answer(ASKED[1], "infrastructure_and_utility_damage" if severe else "affected", 0.8),
        "damage": answer(ASKED[2], "severe_damage" if severe else "little_or_no_damage", 0.5, sure=severe),
    }
    values: dict[str, Any] = {
        "post": job.post,
        "modalities": ("text",),
        "language": "en",
        "tasks": tasks,
        "urgency": min(1.0, len(job.post.text) / 200),
        "provenance": PROVENANCE,
    }
    return Assessment(**{**values, **more}).model_dump_json()


def answer(task: Task, label: str, confidence: float, *, sure: bool = True) -> TaskAssessment:
    """One answer."""
    rest = (1 - confidence) / (len(task.classes) - 1)
    chances = {name: confidence if name == label else rest for name in task.classes}
    return TaskAssessment(
        label=label,
        labels=(label,) if sure else (),
        confidence=confidence,
        probabilities=chances,
        abstained=not sure,
        reason=None if sure else "the best guess is below the threshold",
    )


def share_routes(patch: pytest.MonkeyPatch) -> None:
    """Lets applications share what FastAPI works out of a route's signature: at the first request of each
    application it does that for all hundred routes, a third of a second that most tests would pay anew.

    Two share it where their routes are included alike, size of a body and all; nobody here replaces a
    dependency, which is all that the application itself is asked for.
    """
    kind = routing._EffectiveRouteContext
    work_out = kind.from_api_route
    known: dict[int, list[tuple[object, object]]] = {}

    def shared(*, original_route: routing.APIRoute, include_context: Any) -> object:
        alike = replace(include_context, dependency_overrides_provider=None)
        of_route = known.setdefault(id(original_route), [])
        for context, made in of_route:
            if context == alike:
                return made
        made = work_out(original_route=original_route, include_context=include_context)
        of_route.append((alike, made))
        return made

    patch.setattr(kind, "from_api_route", shared)


@contextmanager
def open_site(
    folder: Path, settings: ServeSettings, *, before: Site | None = None, **more: Any
) -> Iterator[Site]:
    """A service in a folder.

    Arguments:
        folder: Where the store is.
        settings: How it runs.
        before: The service that the store in the folder is a copy of, with its people and keys.
        **more: For the store.
    """
    with open_store(str(new_file(folder / "store.db")), **{"least_free_bytes": 0, **more}) as store:
        if before is None:
            people = {role: _person(store, role, role) for role in ROLES}
            keys = {role: store.keys.add(f"{role} key", role, actor="cli")[0] for role in ROLES}
        else:
            people, keys = before.people, before.keys
        app = create_app(store, settings)
        app.openapi_schema = _DOCUMENT or None
        with TestClient(app, base_url="http://testserver", follow_redirects=False) as client:
            yield Site(app, client, store, people, keys)
        _DOCUMENT.update(app.openapi_schema or {})


def _person(store: Store, name: str, role: Role) -> Person:
    user = store.users.add(name, role, actor="cli")
    token, session = store.sessions.start(user.id)
    return Person(user, token, session.csrf)

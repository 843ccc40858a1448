"""Which questions and answers there are: those that ship, and those of the models that answered here."""

from collections.abc import Iterator, Sequence

from pydantic_core import from_json
from sqlalchemy import Connection, func, select

from crisislens.core.errors import InputError
from crisislens.domain.asked import asked_tasks, shipped_answers
from crisislens.domain.meanings import ANY_OF, MEANINGS, meaning_named
from crisislens.store.database import Database
from crisislens.store.models import Answer, Assessment, Review

__all__ = ["Vocabulary"]

_MOST_NAMED = 20
_MOST_WHOLE = 2_000


class Vocabulary:
    """Made by the store. A name that nobody answers with finds nothing, which looks like good news."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def tasks(self) -> tuple[str, ...]:
        """The questions that a model or a person has answered of some post here, by name."""
        with self._database.read() as connection:
            found = {*_answered(connection), *_judged(connection)}
        return tuple(sorted(found))

    def answers(self, task: str) -> tuple[str, ...]:
        """What may be answered to a question, empty where nobody asks it.

        Arguments:
            task: The question, as in `Assessment.tasks`.
        """
        found = dict.fromkeys(shipped_answers(task))
        # any post will do: a model has the same classes for all of them
        post = select(Answer.post_id).where(Answer.task == task).limit(1).scalar_subquery()
        wanted = select(Assessment.doc).where(Assessment.post_id == post, Assessment.current)
        with self._database.read() as connection:
            doc = connection.execute(wanted).scalar()
        if doc is not None:
            answer = from_json(doc)["tasks"].get(task) or {}
            found |= dict.fromkeys(answer.get("probabilities", ()))
        return tuple(found)

    def check(self, task: str, label: str | None = None) -> None:
        """Refuses a question that nobody asks, and an answer that nobody gives.

        Arguments:
            task: The question.
            label: The answer; None looks at the question alone.

        Raises:
            InputError: The sentence names what may be given, and not what was.
        """
        if (label is None and task in asked_tasks()) or label in shipped_answers(task):
            return
        there = self.answers(task)
        if not there:
            raise InputError(
                f"no model here is asked this question; expected {_named(tuple(asked_tasks()))}, or one that "
                "a model of your own has answered here"
            )
        if label is not None and label not in there and not self._given(task, label):
            raise InputError(f"this is no answer to {task!r}; expected {_named(there)}")

    def check_counted(self, task: str, label: str) -> None:
        """As `check`, of what a rule counts: an answer, or any answer of a meaning.

        Arguments:
            task: The question, or `meanings.ANY_OF`.
            label: The answer, or the meaning's name.

        Raises:
            InputError: Nobody answers this, or no meaning has the name.
        """
        if task == ANY_OF and meaning_named(label) is not None:
            return
        # a model of one's own may ask a question of this name
        if task != ANY_OF or self.answers(task):
            self.check(task, label)
        else:
            raise InputError(f"no meaning has this name; expected {_named([one.name for one in MEANINGS])}")

    def _given(self, task: str, label: str) -> bool:
        """Whether some post has this answer, as of a model that was used before."""
        wanted = select(Answer.post_id).where(Answer.task == task, Answer.label == label).limit(1)
        with self._database.read() as connection:
            return connection.execute(wanted).first() is not None


def _answered(connection: Connection) -> Iterator[str]:
    """What models answered: one look into the index a question, however many posts there are."""
    first = select(func.min(Answer.task))
    task = connection.execute(first).scalar()
    while task is not None:
        yield task
        task = connection.execute(first.where(Answer.task > task)).scalar()


def _judged(connection: Connection) -> Iterator[str]:
    """What people answered, by itself or as part of a whole post: again one look a question. Reviews of whole
    posts repeat what models answered, so that the newest are enough.
    """
    standing = Review.undone_at.is_(None)
    # the empty task of a whole post comes before all others
    first = select(Review.task).where(standing).order_by(Review.task).limit(1)
    task = connection.execute(first.where(Review.task > "")).scalar()
    while task is not None:
        yield task
        task = connection.execute(first.where(Review.task > task)).scalar()
    whole = select(Review.answers).where(standing, Review.task == "")
    for answers in connection.execute(whole.order_by(Review.id.desc()).limit(_MOST_WHOLE)).scalars():
        yield from answers or ()


def _named(names: Sequence[str]) -> str:
    more = f" or {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more

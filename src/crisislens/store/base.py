"""The store: one database, one folder of blobs, and the repositories over them."""

from pathlib import Path

from crisislens.core.errors import CrisisLensError, StoreError
from crisislens.store.accounts import Users
from crisislens.store.alert_rules import AlertRules
from crisislens.store.alerts import Alerts
from crisislens.store.audit import AuditTrail
from crisislens.store.blobs import Blobs
from crisislens.store.bulletins import Bulletins
from crisislens.store.clusters import Clusters
from crisislens.store.database import Database, database_name
from crisislens.store.deliveries import Deliveries
from crisislens.store.engines import database_file, parsed_url
from crisislens.store.erasure import Erasure, Retention
from crisislens.store.event_names import EventNames
from crisislens.store.events import Events
from crisislens.store.leases import Leases
from crisislens.store.models import Setting
from crisislens.store.outlets import Outlets
from crisislens.store.pictures import Pictures
from crisislens.store.posts import Posts
from crisislens.store.queue import Queue, release_everything
from crisislens.store.records import Health
from crisislens.store.reviews import Reviews
from crisislens.store.schema import check_version, refuse_others, upgrade_known
from crisislens.store.settings import Settings
from crisislens.store.sources import DeadLetters, Sources
from crisislens.store.statistics import Statistics
from crisislens.store.tokens import Keys, Sessions
from crisislens.store.transaction import Transaction, upsert
from crisislens.store.vocabulary import Vocabulary

__all__ = ["DEFAULT_MOST_QUEUED", "Store", "open_store"]

DEFAULT_MOST_QUEUED = 100_000
_LEAST_FREE_BYTES = 1_000_000_000


class Store:
    """Everything the service remembers; made by `open_store`.

    Attributes:
        posts: Accepting, finding, streaming and reading posts.
        statistics: Counts for the situation page, days for drift.
        queue: What the workers take and give back.
        blobs: The photos' bytes.
        pictures: Photos that lie elsewhere and are to be fetched.
        clusters: Near-duplicates.
        reviews: What people say of posts, and who holds which.
        users: People and their passwords.
        keys: Keys of programs.
        sessions: Who is logged in.
        audit: Who changed what.
        events: What happened, for everything that leaves the store.
        sources: Where posts come from, and their cursors.
        dead_letters: What could not become a post.
        erasure: Takes posts out for good.
        retention: Takes out what is old.
        settings: Values that people set.
        alert_rules: What alerts are raised at.
        alerts: What rules saw.
        outlets: The ways out.
        deliveries: What is sent by them.
        bulletins: Messages for the public, drafted and released.
        event_names: Events by their names, and which of them are one.
        leases: Whose turn it is, where one process of several does a thing.
        vocabulary: Which questions and answers there are.
    """

    def __init__(self, database: Database, blobs: Path, *, most_queued: int, least_free_bytes: int) -> None:
        self.database = database
        self.blobs = Blobs(blobs)
        self.events = Events(database)
        self.audit = AuditTrail(database)
        self.sources = Sources(database)
        self.pictures = Pictures(database)
        self.dead_letters = DeadLetters(database)
        self.posts = Posts(database, self.blobs, most_queued=most_queued, least_free_bytes=least_free_bytes)
        self.statistics = Statistics(database, self.blobs)
        self.queue = Queue(database, self.blobs)
        self.clusters = Clusters(database)
        self.reviews = Reviews(database)
        self.users = Users(database)
        self.keys = Keys(database)
        self.sessions = Sessions(database)
        self.settings = Settings(database)
        self.alert_rules = AlertRules(database)
        self.alerts = Alerts(database)
        self.outlets = Outlets(database)
        self.deliveries = Deliveries(database)
        self.bulletins = Bulletins(database)
        self.event_names = EventNames(database)
        self.leases = Leases(database)
        self.vocabulary = Vocabulary(database)
        self.erasure = Erasure(database, self.blobs)
        self.retention = Retention(database, self.blobs)

    def health(self) -> Health:
        """Whether posts can be taken just now: writes a row to find out, and looks at the room on the disk.
        Never raises.
        """
        free = self.blobs.free_bytes()
        try:
            with self.database.read() as connection:
                name = database_name(connection)
            if self.database.writable:
                self.database.write(_touch)
        except CrisisLensError as error:
            return Health(ok=False, reason=str(error), database=self.database.url.drivername, free_bytes=free)
        reason = self.posts.too_full(free) if self.database.writable else None
        return Health(ok=reason is None, reason=reason, database=name, free_bytes=free)

    def close(self) -> None:
        """Finishes the writes that wait and lets go of the database and its lock."""
        self.database.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_store(
    url: str,
    *,
    blobs: Path | None = None,
    write: bool = True,
    upgrade: bool = True,
    most_queued: int = DEFAULT_MOST_QUEUED,
    least_free_bytes: int = _LEAST_FREE_BYTES,
    readers: int = 8,
) -> Store:
    """Opens a store, made where there is none.

    Arguments:
        url: `sqlite:///FILE`, a path of a file, or `postgresql://…`.
        blobs: The folder of the photos; by default `FILE.blobs` beside a SQLite file. PostgreSQL needs one.
        write: Whether anything will be written. SQLite has one writing process: another one is refused.
        upgrade: Whether an older store is brought to this version first.
        most_queued: Waiting posts from which on no more are accepted.
        least_free_bytes: Room on disk below which no more are accepted.
        readers: Connections that read side by side.

    Raises:
        StoreError: If it cannot be opened, another process writes, or it is of another version.
        MissingExtraError: If the packages of the extra `serve` are not installed.
    """
    address = parsed_url(url)
    file = database_file(address)
    if file is None and blobs is None:
        raise StoreError("PostgreSQL holds no photos; give the folder for them (--blobs FOLDER)")
    if file is not None and file.is_dir():
        raise StoreError(f"{file} is a folder, and a store is a file; give one in it: {file / 'store.db'}")
    # to connect would make an empty file
    if file is not None and not (write and upgrade) and not file.is_file():
        raise StoreError(
            f"there is no store at {file}; crisislens serve or crisislens store upgrade makes one"
        )
    database = Database(address, write=write, readers=readers)
    try:
        _prepare(database, upgrade_it=write and upgrade)
    except BaseException:
        database.close()
        raise
    folder = blobs if blobs is not None else Path(f"{file}.blobs")
    return Store(database, folder, most_queued=most_queued, least_free_bytes=least_free_bytes)


def _prepare(database: Database, *, upgrade_it: bool) -> None:
    """Makes or upgrades the tables, or refuses those of another version."""
    if upgrade_it:
        if database.sqlite:
            # first by a connection that only reads: one that writes changes how the file is written
            with database.read() as connection:
                refuse_others(connection)
        database.write(lambda tx: upgrade_known(tx.connection))
        if database.sqlite:
            # nobody can have outlived the one process that writes
            database.write(release_everything)
    with database.read() as connection:
        check_version(connection)


def _touch(tx: Transaction) -> None:
    row = {"name": "health", "value": {}, "at": tx.now}
    statement = upsert(tx.connection, Setting).values(row)
    tx.connection.execute(statement.on_conflict_do_update(index_elements=[Setting.name], set_={"at": tx.now}))

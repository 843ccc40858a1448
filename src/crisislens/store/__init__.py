"""What the service remembers: posts, answers, what people say of them, and who did what. All SQL is here.

How the service uses it:

    store = open_store("sqlite:////var/lib/crisislens/crisis.db")     # or postgresql://…; makes it if empty
    store = open_store(url, write=False)                              # for reading beside the one writer

    photo = store.blobs.keep(uploaded_bytes)                          # slow, raises ImageError: in a thread
    waiting = store.posts.accept_soon("api", [NewPost(...)])          # a concurrent Future; never blocks
    accepted = await asyncio.wrap_future(waiting)                     # durable when it resolves
    page = store.posts.find(PostFilter(order="urgency", limit=50))    # blocks: call it in a thread
    page = store.posts.find(PostFilter(order="urgency", after=page.next))
    for row in store.posts.stream(PostFilter(...)): ...               # exports: any number, flat memory
    store.reviews.hold(post_id, user_id); store.reviews.add(post_id, user_id, verdict="label", ...)
    store.events.after(seq); store.events.wait(seq, timeout_s=0.25)   # the outbox, for SSE and ?wait=
    store.close()

Every method but `accept_soon` blocks and may be called from any thread. Writes of all threads go through one
writer, which joins those that wait into one transaction; a method returns when its change is on disk. Errors
are `core.errors`: `StoreError` (503), `StoreFullError` (429 or 507, with `retry_after_s` and `status`),
`NotFoundError` (404), `ConflictError` (409), `InputError` (422). `actor` is who does it, as the audit trail
names them: `user:NAME`, `key:PREFIX`, `cli`, `system`.

Changed passwords, roles, keys, reviews, erasures and settings write their audit entry themselves.
"""

from crisislens.store.base import Store, open_store

__all__ = ["Store", "open_store"]

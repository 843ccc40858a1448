"""Totals and the choice of posts, against a second, simple way of finding them."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_posts import assessment, crisis, meta

from crisislens.domain.assessment import Assessment
from crisislens.domain.calibration import NEVER_SURE
from crisislens.domain.post import ImageRef, Post
from crisislens.domain.tasks import TASKS
from crisislens.report.groups import Groups
from crisislens.report.matrix import matrix
from crisislens.report.model import ReportCluster, ReportTask
from crisislens.report.overview import asides, tiles
from crisislens.report.selection import Selection
from crisislens.report.tally import Tally

POOL = [
    assessment(Post(id=str(i)), urgency=u, damage=damage)
    for i, (u, damage) in enumerate(
        (u, damage) for u in (0.1, 0.3, 0.3, 0.7, 0.9) for damage in ("severe_damage", "mild_damage")
    )
]


def brute(found: list[Assessment], clusters: list[ReportCluster], top: int) -> list[str]:
    """The ids of the `top` most urgent posts, each cluster by its most urgent member, from the whole list."""
    cluster_of = {member: i for i, cluster in enumerate(clusters) for member in cluster.members}
    order = sorted(enumerate(found), key=lambda item: (-item[1].urgency, item[0]))
    seen: set[int] = set()
    ids = []
    for _, a in order:
        index = cluster_of.get(a.post.id)
        if index is None or index not in seen:
            ids.append(a.post.id)
            seen |= set() if index is None else {index}
    return ids[:top]


@settings(max_examples=150, deadline=None)
@given(st.permutations(range(10)), st.integers(1, 10), st.lists(st.integers(0, 3), min_size=10, max_size=10))
def test_one_pass_finds_what_sorting_everything_finds(order: list[int], top: int, groups: list[int]) -> None:
    found = [POOL[i] for i in order]
    members = {g: tuple(str(i) for i in range(10) if groups[i] == g) for g in (1, 2, 3)}
    clusters = [ReportCluster(m[0], len(m), m, "text") for m in members.values() if len(m) > 1]
    selection = Selection(Groups(clusters), top=top, top_clusters=5)
    for position, a in enumerate(found, start=1):
        selection.add(a, position)
    assert [listed.assessment.post.id for listed in selection.listed()] == brute(found, clusters, top)


def test_a_cluster_is_shown_by_its_most_urgent_post_once() -> None:
    calm, loud = (assessment(Post(id=name), urgency=u) for name, u in (("calm", 0.2), ("loud", 0.9)))
    cluster = ReportCluster("calm", 3, ("calm", "loud", "gone"), "text")
    selection = Selection(Groups([cluster]), top=5, top_clusters=5)
    for position, a in enumerate((calm, loud), start=1):
        selection.add(a, position)
    assert [(listed.assessment.post.id, listed.cluster) for listed in selection.listed()] == [
        ("loud", cluster)
    ]
    assert selection.clusters[0].best is loud


def test_a_shared_photo_folds_nothing() -> None:
    calm, loud = (assessment(Post(id=name), urgency=u) for name, u in (("calm", 0.2), ("loud", 0.9)))
    shared = ReportCluster("calm", 2, ("calm", "loud"), "photo")
    selection = Selection(Groups([shared]), top=5, top_clusters=5)
    for position, a in enumerate((calm, loud), start=1):
        selection.add(a, position)
    listed = selection.listed()
    assert [(found.assessment.post.id, found.cluster) for found in listed] == [("loud", None), ("calm", None)]
    assert all(found.photo is shared for found in listed)
    assert selection.clusters[0].best is loud


def test_posts_that_share_an_id_are_all_listed() -> None:
    selection = Selection(Groups(), top=5, top_clusters=0)
    for position in (1, 2, 3):
        selection.add(POOL[0], position)
    assert [listed.position for listed in selection.listed()] == [1, 2, 3]


def test_totals_count_every_post() -> None:
    found, failed, _ = crisis(400)
    tally = Tally(meta().tasks)
    for a in found:
        tally.add(a)
    assert tally.posts == sum(tally.pairs.values()) == sum(tally.languages.values()) == 400
    assert tally.photos_unusable == sum(
        a.post.image is not None and "image" not in a.modalities for a in found
    )
    assert tally.unsure == sum(any(task.abstained for task in a.tasks.values()) for a in found)
    assert tally.undated == sum(a.post.created_at is None for a in found)
    severe = sum(
        a.tasks["damage"].label == "severe_damage" and not a.tasks["damage"].abstained for a in found
    )
    by_title = {tile.title: tile.value for tile in tiles(tally, len(failed))}
    assert by_title["Severe damage"] == str(severe)
    assert by_title["Rows that failed"] == "7"


def test_the_tiles_of_what_is_worth_reading_add_up_to_the_posts() -> None:
    """Of posts that are read, unread or unsure, and beside rows that failed."""
    found, failed, _ = crisis(300)
    unread = [a.tasks["informativeness"].abstained for a in found[:40]].count(False)
    tally = Tally(meta().tasks)
    for i, a in enumerate(found):
        tasks = {name: t.model_copy(update={"abstained": True}) for name, t in a.tasks.items()}
        blank = {"unread": "Nobody reads it.", "language": "tr", "tasks": tasks}
        tally.add(a.model_copy(update=blank) if i < 40 else a)
    assert unread > 20
    shown = {tile.title: tile for tile in tiles(tally, len(failed))}
    parts = [shown[title] for title in ("Informative", "Not informative", "Not sure")]
    assert all(int(part.value) for part in parts)
    assert sum(int(part.value) for part in parts) == int(shown["Posts analyzed"].value) == 300
    unsure = sum(a.tasks["informativeness"].abstained for a in found[40:])
    assert shown["Not sure"].value == str(40 + unsure)
    assert f", {shown['Not read, by language'].value} of them not read;" in shown["Not sure"].detail
    assert shown["Not read, by language"].value == "40"
    assert shown["Rows that failed"].detail == "could not be assessed; not among the posts"


def test_a_post_that_its_photo_answers_is_not_counted_as_unsure() -> None:
    tally = Tally(meta().tasks)
    tally.add(POOL[0].model_copy(update={"unread": "Nobody reads it."}))
    [tile] = [tile for tile in tiles(tally, 0) if tile.title == "Not sure"]
    assert "not read" not in tile.detail


def test_the_sums_of_the_matrix_add_up() -> None:
    found, _, _ = crisis(300)
    tally = Tally(meta().tasks)
    for a in found:
        tally.add(a)
    table = matrix(tally, meta().tasks)
    assert table is not None
    *rows, (last, sums) = table.rows
    assert last == "All"
    assert all(sum(cell.count for cell in cells[:-1]) == cells[-1].count for _, cells in table.rows)
    assert [sum(cells[i].count for _, cells in rows) for i in range(len(table.columns))] == [
        cell.count for cell in sums
    ]
    assert all((cell.link == "") == (cell.count == 0) for _, cells in rows for cell in cells)


def test_a_question_alone_or_left_open_has_no_matrix() -> None:
    by_name = {task.name: task for task in meta().tasks}
    tally = Tally([by_name["humanitarian"]])
    tally.add(random.Random(0).choice(POOL))
    assert matrix(tally, [by_name["humanitarian"]]) is None
    assert matrix(Tally([]), []) is None


def test_a_question_that_nearly_all_leave_open_steps_aside_and_says_why() -> None:
    tally = Tally(meta().tasks)
    confidence = {"informativeness": 0.9, "humanitarian": 0.9, "damage": 0.3}
    for i in range(20):
        tally.add(assessment(Post(id=str(i)), confidence=confidence, modalities=("text",)))
    assert matrix(tally, meta().tasks) is None
    [sentence] = asides(tally)
    assert sentence.startswith("Damage severity: the model is not sure on 20 of 20 posts")
    assert sentence.endswith("stays below the level at which it was found reliable.")
    shared = POOL[0].tasks["damage"].model_copy(update={"abstained": True, "reason": "There is no photo."})
    for _ in range(80):
        tally.add(POOL[0].model_copy(update={"tasks": {**POOL[0].tasks, "damage": shared}}))
    assert asides(tally)[0].endswith("There is no photo.")


def test_a_task_that_is_not_answered_counts_as_not_sure() -> None:
    bare = POOL[0].model_copy(update={"tasks": {}})
    tally = Tally((ReportTask(TASKS["damage_severity"]),))
    tally.add(bare)
    assert tally.unsure == 1
    assert tally.answers["damage"] == {"not_sure": 1}


def test_photos_that_cannot_be_seen_are_no_photos() -> None:
    tally = Tally(meta().tasks)
    tally.add(assessment(Post(id="3")))
    assert not [tile for tile in tiles(tally, 0) if tile.title == "Photos seen"]
    tally.add(assessment(Post(id="2", image=ImageRef(path="a.jpg")), modalities=("text",)))
    [tile] = [tile for tile in tiles(tally, 0) if tile.title == "Photos seen"]
    assert (tile.value, tile.link) == ("none", "")
    tally.add(assessment(Post(id="1", image=ImageRef(path="a.jpg")), modalities=("text", "image")))
    [tile] = [tile for tile in tiles(tally, 0) if tile.title == "Photos seen"]
    assert (tile.value, tile.detail) == ("1", "1 more could not be used")
    assert (tally.photos, tally.photos_unusable) == (2, 1)


def test_what_is_never_surely_told_is_not_counted_as_unsure() -> None:
    tasks = {task.name: task for task in meta().tasks}
    first, second, last = tasks
    never = ReportTask(tasks[last].task, dict.fromkeys(("text", "image", "both"), NEVER_SURE))
    for limited, told in ((never, "category 3"), (tasks[last], "category 3; severity 3")):
        tally = Tally((tasks[first], tasks[second], limited))
        for post in POOL[:3]:
            unsure = {
                name: post.tasks[name].model_copy(update={"abstained": True, "labels": ()})
                for name in (second, last)
            }
            tally.add(post.model_copy(update={"tasks": {**post.tasks, **unsure}}))
        # a question that could be answered is told although no post of this run was
        [tile] = [tile for tile in tiles(tally, 0) if tile.title == "Not sure"]
        assert tile.detail.endswith(told)


def test_posts_that_no_model_reads_have_a_tile_by_language() -> None:
    tally = Tally(meta().tasks)
    for language in ("tr", "tr", None):
        unread = POOL[0].model_copy(update={"unread": "Nobody reads it.", "language": language})
        tally.add(unread)
    tally.add(POOL[1])
    [tile] = [tile for tile in tiles(tally, 0) if tile.title == "Not read, by language"]
    assert (tile.value, tile.detail) == ("3", "Turkish 2, Not detected 1")
    assert "unsure=unread" in tile.link

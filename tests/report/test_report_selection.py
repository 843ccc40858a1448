"""Totals and the choice of posts, against a second, simple way of finding them."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_posts import assessment, crisis, meta

from crisislens.domain.assessment import Assessment
from crisislens.domain.post import ImageRef, Post
from crisislens.domain.tasks import TASKS
from crisislens.report.model import ReportCluster, ReportTask
from crisislens.report.overview import matrix, tiles
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
    heads = {cluster.representative for cluster in clusters}
    order = sorted(
        enumerate(found), key=lambda item: (item[1].urgency, item[1].post.id in heads, -item[0]), reverse=True
    )
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
    selection = Selection(clusters, top=top, per_cell=0, top_clusters=5)
    for a in found:
        selection.add(a, ("", ""))
    assert [listed.assessment.post.id for listed in selection.listed()] == brute(found, clusters, top)


def test_every_cell_of_the_matrix_leads_somewhere() -> None:
    found, _, clusters = crisis(600)
    selection = Selection(clusters, top=20, per_cell=3, top_clusters=30)
    cell_of = Tally(meta().tasks).cell
    for a in found:
        selection.add(a, cell_of(a))
    listed = [item.assessment for item in selection.listed()]
    assert {cell_of(a) for a in listed} == {cell_of(a) for a in found}
    assert [a.urgency for a in listed] == sorted((a.urgency for a in listed), reverse=True)
    assert len({a.post.id for a in listed}) == len(listed)


def test_a_cluster_is_shown_by_its_most_urgent_post_once() -> None:
    calm, loud = (assessment(Post(id=name), urgency=u) for name, u in (("calm", 0.2), ("loud", 0.9)))
    cluster = ReportCluster("calm", 3, ("calm", "loud", "gone"), "text")
    selection = Selection([cluster], top=5, per_cell=5, top_clusters=5)
    for a in (calm, loud):
        selection.add(a, ("affected", "severe_damage"))
    assert [(listed.assessment.post.id, listed.cluster) for listed in selection.listed()] == [
        ("loud", cluster)
    ]
    assert selection.clusters[0].best is loud


def test_a_shared_photo_folds_nothing() -> None:
    calm, loud = (assessment(Post(id=name), urgency=u) for name, u in (("calm", 0.2), ("loud", 0.9)))
    shared = ReportCluster("calm", 2, ("calm", "loud"), "photo")
    selection = Selection([shared], top=5, per_cell=5, top_clusters=5)
    for a in (calm, loud):
        selection.add(a, ("affected", "severe_damage"))
    listed = selection.listed()
    assert [(found.assessment.post.id, found.cluster) for found in listed] == [("loud", None), ("calm", None)]
    assert all(found.photo is shared for found in listed)
    assert selection.clusters[0].best is loud


def test_posts_that_share_an_id_are_all_listed() -> None:
    selection = Selection([], top=5, per_cell=0, top_clusters=0)
    for _ in range(3):
        selection.add(POOL[0], ("affected", "severe_damage"))
    assert len(selection.listed()) == 3


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


def test_a_model_without_severity_gets_one_column_and_one_without_both_none() -> None:
    by_name = {task.name: task for task in meta().tasks}
    tally = Tally([by_name["humanitarian"]])
    tally.add(random.Random(0).choice(POOL))
    table = matrix(tally, [by_name["humanitarian"]])
    assert table is not None
    # the sums alone: there is nothing to cross the kinds with
    assert [
        sum(cell.count for cell in cells) for name, cells in table.rows if name.startswith("Affected")
    ] == [1]
    assert matrix(Tally([]), []) is None


def test_a_task_that_is_not_answered_counts_as_not_sure() -> None:
    bare = POOL[0].model_copy(update={"tasks": {}})
    tally = Tally((ReportTask(TASKS["damage_severity"]),))
    tally.add(bare)
    assert tally.unsure == 1
    assert tally.answers["damage"] == {"not_sure": 1}


def test_photos_are_only_counted_where_there_are_some() -> None:
    tally = Tally(meta().tasks)
    tally.add(assessment(Post(id="1", image=ImageRef(path="a.jpg")), modalities=("text", "image")))
    tally.add(assessment(Post(id="2", image=ImageRef(path="a.jpg")), modalities=("text",)))
    tally.add(assessment(Post(id="3")))
    assert (tally.photos, tally.photos_unusable) == (2, 1)


def test_posts_that_no_model_reads_have_a_tile_by_language() -> None:
    tally = Tally(meta().tasks)
    for language in ("tr", "tr", None):
        unread = POOL[0].model_copy(update={"unread": "Nobody reads it.", "language": language})
        tally.add(unread)
    tally.add(POOL[1])
    [tile] = [tile for tile in tiles(tally, 0) if tile.title == "Not read, by language"]
    assert (tile.value, tile.detail) == ("3", "Turkish 2, Not detected 1")
    assert "unsure=unread" in tile.link

"""Near-duplicates by the posts that are in them: which message a post repeats, whose photo it shows."""

from collections.abc import Sequence

from crisislens.report.model import ReportCluster

__all__ = ["Groups"]


class Groups:
    """The clusters of a run, the largest first.

    >>> photo = ReportCluster("1", 2, ("1", "2"), "photo")
    >>> groups = Groups([photo, ReportCluster("1", 3, ("1", "3", "4"), "text")])
    >>> groups.message("3").size, groups.picture("3"), groups.picture("2").kind
    (3, None, 'photo')

    Arguments:
        clusters: Near-duplicates of the run.

    Attributes:
        clusters: The same, the largest first.
        messages: From the id of a post to the position of the cluster that says the same.
        pictures: From the id of a post to the position of the cluster that shows the same photo.
    """

    def __init__(self, clusters: Sequence[ReportCluster] = ()) -> None:
        self.clusters = sorted(clusters, key=lambda cluster: -cluster.size)
        self.messages: dict[str, int] = {}
        self.pictures: dict[str, int] = {}
        for i, cluster in enumerate(self.clusters):
            owners = self.messages if cluster.one_message else self.pictures
            owners.update(dict.fromkeys((cluster.representative, *cluster.members), i))

    def message(self, identity: str) -> ReportCluster | None:
        """The cluster that says the same as a post, if any."""
        found = self.messages.get(identity)
        return None if found is None else self.clusters[found]

    def picture(self, identity: str) -> ReportCluster | None:
        """The cluster that shows the same photo as a post with other words, if any."""
        found = self.pictures.get(identity)
        return None if found is None else self.clusters[found]

"""Near-duplicates, which people may join and split."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from crisislens.serve.access import Reviewer, Viewer
from crisislens.serve.service import service_of
from crisislens.store.records import ClusterRow

__all__ = ["router"]

router = APIRouter(tags=["near-duplicates"])
ClusterId = Annotated[int, Path(ge=1, le=2**53)]


class Merge(BaseModel):
    """Which clusters to join."""

    model_config = ConfigDict(extra="forbid")

    clusters: list[Annotated[int, Field(ge=1, le=2**53)]] = Field(min_length=1, max_length=100)


class Split(BaseModel):
    """Which post to take out."""

    model_config = ConfigDict(extra="forbid")

    post_id: int = Field(ge=1, le=2**53)


@router.get("/v1/clusters/{cluster_id}", summary="One cluster")
def get(request: Request, visitor: Viewer, cluster_id: ClusterId) -> ClusterRow:
    """Its size and its first post; its posts are `GET /v1/posts?cluster=`."""
    return service_of(request).store.clusters.get(cluster_id)


@router.post("/v1/clusters/{cluster_id}/merge", summary="Join clusters into one")
def merge(request: Request, visitor: Reviewer, cluster_id: ClusterId, others: Merge) -> ClusterRow:
    """Joins others into this one."""
    ids = [cluster_id, *others.clusters]
    return service_of(request).store.clusters.merge(ids, actor=visitor.actor)


@router.post("/v1/clusters/{cluster_id}/split", status_code=204, summary="Take a post out")
def split(request: Request, visitor: Reviewer, cluster_id: ClusterId, out: Split) -> Response:
    """Takes a post out of its cluster; it is not joined to it again."""
    store = service_of(request).store
    store.clusters.get(cluster_id)
    store.clusters.split(out.post_id, actor=visitor.actor)
    return Response(status_code=204)

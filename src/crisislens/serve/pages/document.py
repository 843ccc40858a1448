"""The API's document, for programs as JSON and for people as a page that loads nothing from elsewhere."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from crisislens.serve.access import Anyone
from crisislens.serve.addresses import service_url
from crisislens.serve.pages.render import page

__all__ = ["router"]

router = APIRouter()
_METHODS = ("get", "post", "put", "patch", "delete")


@router.get("/openapi.json")
def openapi(request: Request, visitor: Anyone) -> Response:
    """OpenAPI 3.1."""
    return JSONResponse(request.app.openapi())


@router.get("/v1/docs")
def docs(request: Request, visitor: Anyone) -> Response:
    """What can be called, with what it takes and gives."""
    schema = request.app.openapi()
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in schema["paths"].items():
        for method in _METHODS:
            if method in methods:
                call = methods[method]
                tag = (call.get("tags") or ["others"])[0]
                groups.setdefault(tag, []).append(_call(path, method, call))
    base = f"{service_url(request)}/"
    return page(request, "docs.html", visitor, title="API", groups=groups, base=base)


def _call(path: str, method: str, call: dict[str, Any]) -> dict[str, Any]:
    return {
        "path": path,
        "method": method.upper(),
        "summary": call.get("summary", ""),
        "description": call.get("description", ""),
        "parameters": call.get("parameters", []),
        "bodies": sorted((call.get("requestBody") or {}).get("content", {})),
        "answers": call.get("responses", {}),
    }

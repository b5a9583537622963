"""The studio's page and what belongs to it, as built files of this package."""

from pathlib import Path
from typing import Final

from fastapi import FastAPI
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_FOLDER: Final = Path(__file__).parent / "studio"
_POLICY: Final = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "style-src 'self'; "
    "connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
_MISSING: Final = (
    "<!doctype html><title>tenku</title><p>The studio is not built in this copy of tenku; the API is at "
    "<a href='/openapi.json'>/openapi.json</a>."
)


def add_studio(app: FastAPI) -> None:
    """Serve the studio at `/`."""

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        headers = {"content-security-policy": _POLICY, "cache-control": "no-cache"}
        if not (_FOLDER / "index.html").is_file():
            return HTMLResponse(_MISSING, headers=headers)
        return FileResponse(_FOLDER / "index.html", headers=headers)

    app.mount("/assets", _Assets(directory=_FOLDER / "assets", check_dir=False), name="studio")


class _Assets(StaticFiles):
    """Files whose names hold a digest of their content, so they never change."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response

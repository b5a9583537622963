"""What can be asked of this server: its models, and who is asking."""

import time
from functools import cache
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from starlette.requests import Request

from tenku.serving.context import caller, context_of
from tenku.serving.faults import not_found
from tenku.serving.orders import MAX_SECONDS
from tenku.serving.routes.answers import ERRORS
from tenku.serving.routes.schemas import Caller
from tenku.serving.sizes import NATIVE_FPS

router = APIRouter(prefix="/v1", tags=["models"], responses=ERRORS)

_ALIASES: Final = ("sora-2", "sora-2-pro")  # what programs ask for; the same model answers
_SIZES: Final = (
    *("128x128", "160x96", "96x160", "144x112", "112x144", "192x112", "112x192"),
    *("720x1280", "1280x720", "1024x1792", "1792x1024"),
)
_STARTED: Final = int(time.time())


@router.get("/models")
async def list_models(request: Request) -> JSONResponse:
    """The models that videos can be made with."""
    caller(request)
    names = (context_of(request).settings.model.rpartition("/")[2], *_ALIASES)
    return JSONResponse({"object": "list", "data": [model_object(name) for name in names]})


@router.get("/models/{model_id}")
async def retrieve(request: Request, model_id: str) -> JSONResponse:
    """One model."""
    caller(request)
    if model_id not in (context_of(request).settings.model.rpartition("/")[2], *_ALIASES):
        raise not_found("model", model_id)
    return JSONResponse(model_object(model_id))


@router.get("/me", response_model=Caller)
async def me(request: Request) -> JSONResponse:
    """Who is asking, and whether anybody may."""
    return JSONResponse({"name": caller(request).name, "open": context_of(request).board.is_open})


def model_object(name: str) -> dict[str, Any]:
    """A model as the standard lists it, and what it can do."""
    return {
        "id": name,
        "object": "model",
        "created": _STARTED,
        "owned_by": "tenku",
        "sizes": list(_SIZES),
        "default_size": "128x128",
        "max_seconds": MAX_SECONDS,
        "fps": NATIVE_FPS,
        "knows": vocabulary(),
    }


@cache
def vocabulary() -> dict[str, list[str]]:
    """The words that the embedded model has been taught."""
    from tenku.worlds.vocabulary import CAMERA_MOVES, COLOURS, EVENT_KINDS, FLOORS, MATERIALS, SHAPES, SIZES

    kinds = {
        "colours": COLOURS,
        "shapes": SHAPES,
        "materials": MATERIALS,
        "sizes": SIZES,
        "events": EVENT_KINDS,
        "floors": FLOORS,
        "cameras": CAMERA_MOVES,
    }
    return {kind: [word.replace("_", " ") for word in words] for kind, words in kinds.items()}

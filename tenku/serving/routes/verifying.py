"""What a file is: one of ours, or anybody's."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from starlette.requests import Request

from tenku.provenance.wording import Language
from tenku.serving.context import caller, context_of, in_thread
from tenku.serving.decoding import verified
from tenku.serving.faults import ApiError
from tenku.serving.orders import VerifyOrder
from tenku.serving.records import VIDEO
from tenku.serving.routes.answers import ERRORS, body_of, described_body, source_of
from tenku.serving.routes.schemas import VerdictObject

router = APIRouter(prefix="/v1", tags=["provenance"], responses=ERRORS)


@router.get("/videos/{video_id}/credentials", response_model=VerdictObject)
async def credentials(request: Request, video_id: str, language: Language = "en") -> JSONResponse:
    """Say what is signed of a video's file, and whether its watermark is there."""
    context, owner = context_of(request), caller(request)
    record = await source_of(context, owner, video_id)
    path = await in_thread(context.storage.path, record.files[VIDEO])
    return JSONResponse(await verified(path, context.settings.home, language))


@router.post(
    "/verify",
    response_model=VerdictObject,
    openapi_extra=described_body(VerifyOrder, files=("file",), as_json=False),
)
async def verify(request: Request, language: Language = "en") -> JSONResponse:
    """Say of any file whether it is ours, and whether it was changed."""
    context, _ = context_of(request), caller(request)
    async with body_of(request) as body:
        file = body.file("file")
        if file is None:
            raise ApiError(
                400, "there is no file; send one.", code="missing_required_parameter", param="file"
            )
        return JSONResponse(await context.incoming.judged(file, language))

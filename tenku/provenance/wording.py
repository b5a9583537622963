"""What speaks for a verdict, in sentences without a full stop, in English or Chinese."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, TypeAlias

from tenku.provenance.changes import Changes
from tenku.provenance.credentials import Credentials, UnreadableCredentials
from tenku.provenance.detecting import WHOLE, FoundMark, Span
from tenku.provenance.layout import ID_BITS

Language: TypeAlias = Literal["en", "zh"]

_ENGLISH: Final[Mapping[str, str]] = {
    "none": "it has no content credentials",
    "damaged": "it is damaged, so that no content credentials can be read ({reason})",
    "unseen": "it is damaged, so that nothing can be seen in it",
    "part": "what is seen is {columns:.0f} % of the width and {rows:.0f} % of the height that were marked",
    "not signed": "it bears the certificate of {signer!r}, whose holder did not sign what it says",
    "ours": "it was signed by {signer!r} with our certificate",
    "theirs": "it was signed by {signer!r} with a certificate that is not known here",
    "intact": "{signed}, and has not changed since",
    "changed": "{signed}, and has changed since ({faults})",
    "made": "it says: made with {generator}{model}{seed}; done: {actions}",
    "model": ", by the model {model!r}",
    "seed": " with seed {seed}",
    "unnamed": "an unnamed program",
    "nothing": "nothing",
    "parents": "made from {parents}",
    "prompt": "the prompt {prompt!r} is the one whose hash was signed",
    "other prompt": "the prompt {prompt!r} is not the one whose hash was signed",
    "no mark": "no watermark is seen in its pictures",
    "missing mark": "the watermark that its credentials tell of is not seen in its pictures",
    "blurred mark": "its pictures bear our watermark, too blurred to say which",
    "mark": "its pictures bear our watermark {mark}",
    "same mark": "its pictures bear our watermark {mark}, as its credentials say",
    "other mark": "its pictures bear our watermark {mark}, not the one that its credentials say",
    "same": "beside the original nothing was changed, but for what codecs do",
    "changes": "beside the original {share:.0f} % of the frame was changed, {top:.0f} to {bottom:.0f} % from "
    "the top and {left:.0f} to {right:.0f} % from the left, between {start:.1f} and {end:.1f} s",
    "comma": ", ",
}
_CHINESE: Final[Mapping[str, str]] = {
    "none": "文件没有内容凭证",
    "damaged": "文件已损坏，读不出内容凭证（{reason}）",
    "unseen": "文件已损坏，看不到画面",
    "part": "画面是加水印时宽度的 {columns:.0f} %、高度的 {rows:.0f} %",
    "not signed": "文件带有“{signer}”的证书，但其内容不是由证书持有者签名的",
    "ours": "文件由“{signer}”用本机的证书签名",
    "theirs": "文件由“{signer}”用此处不认识的证书签名",
    "intact": "{signed}，此后没有改动",
    "changed": "{signed}，此后有改动（{faults}）",
    "made": "凭证说明：由{generator}制作{model}{seed}；操作：{actions}",
    "model": "，模型为“{model}”",
    "seed": "，种子为 {seed}",
    "unnamed": "一个未署名的程序",
    "nothing": "无",
    "parents": "由此制成：{parents}",
    "prompt": "提示词“{prompt}”与签名的哈希相符",
    "other prompt": "提示词“{prompt}”与签名的哈希不符",
    "no mark": "画面中没有看到水印",
    "missing mark": "凭证中所说的水印在画面中没有看到",
    "blurred mark": "画面带有我们的水印，但太模糊，认不出是哪一个",
    "mark": "画面带有我们的水印 {mark}",
    "same mark": "画面带有我们的水印 {mark}，与凭证相符",
    "other mark": "画面带有我们的水印 {mark}，与凭证不符",
    "same": "与原件相比，除了编码的影响没有改动",
    "changes": "与原件相比，画面的 {share:.0f} % 有改动："
    "自上 {top:.0f} 至 {bottom:.0f} %，自左 {left:.0f} 至 {right:.0f} %，在 {start:.1f} 与 {end:.1f} 秒之间",
    "comma": "、",
}
_SAID: Final[Mapping[Language, Mapping[str, str]]] = {"en": _ENGLISH, "zh": _CHINESE}


def details(
    credentials: Credentials | UnreadableCredentials | None,
    mark: FoundMark | None,
    changes: Changes | None,
    *,
    is_seen: bool,
    prompt: str | None,
    language: Language = "en",
) -> Iterator[str]:
    """All that can be said of a file, the weightiest first."""
    said = _SAID[language]
    match credentials:
        case None:
            yield said["none"]
        case UnreadableCredentials(reason=reason):
            yield said["damaged"].format(reason=reason.lower())
        case Credentials():
            yield _signature(said, credentials)
            yield from _manifest(said, credentials)
    if prompt is not None:
        yield _prompt(said, credentials, prompt)
    yield _mark(said, mark, credentials) if is_seen else said["unseen"]
    if mark is not None and (mark.rows, mark.columns) != (WHOLE, WHOLE):
        yield said["part"].format(columns=_percent(mark.columns), rows=_percent(mark.rows))
    if changes is not None:
        yield _changes(said, changes)


def in_a_sentence(parts: Sequence[str], language: Language = "en") -> str:
    """Several of them as one, with its full stop."""
    return f"{'；'.join(parts)}。" if language == "zh" else f"{'; '.join(parts)}."


def mark_name(mark: int) -> str:
    """A mark as it is written in credentials."""
    return f"{mark:0{ID_BITS // 4}x}"


def _signature(said: Mapping[str, str], credentials: Credentials) -> str:
    if not credentials.is_signed:
        return said["not signed"].format(signer=credentials.signer)
    signed = said["ours" if credentials.is_ours else "theirs"].format(signer=credentials.signer)
    if credentials.is_intact:
        return said["intact"].format(signed=signed)
    return said["changed"].format(signed=signed, faults=said["comma"].join(credentials.faults))


def _manifest(said: Mapping[str, str], credentials: Credentials) -> Iterator[str]:
    if not credentials.is_signed:
        return
    made = credentials.generation
    yield said["made"].format(
        generator=credentials.generator or said["unnamed"],
        model=said["model"].format(model=made["model"]) if "model" in made else "",
        seed=said["seed"].format(seed=made["seed"]) if "seed" in made else "",
        actions=said["comma"].join(credentials.actions) or said["nothing"],
    )
    if credentials.parents:
        yield said["parents"].format(parents=said["comma"].join(map(repr, credentials.parents)))


def _prompt(
    said: Mapping[str, str], credentials: Credentials | UnreadableCredentials | None, prompt: str
) -> str:
    is_same = (
        isinstance(credentials, Credentials) and credentials.is_signed and credentials.is_of_prompt(prompt)
    )
    return said["prompt" if is_same else "other prompt"].format(prompt=prompt)


def _mark(
    said: Mapping[str, str],
    mark: FoundMark | None,
    credentials: Credentials | UnreadableCredentials | None,
) -> str:
    signed = credentials.watermark if isinstance(credentials, Credentials) and credentials.is_signed else None
    if mark is None:
        return said["no mark" if signed is None else "missing mark"]
    if mark.mark is None:
        return said["blurred mark"]
    if signed is None:
        return said["mark"].format(mark=mark_name(mark.mark))
    return said["same mark" if mark.mark == signed else "other mark"].format(mark=mark_name(mark.mark))


def _percent(span: Span) -> float:
    return 100 * (span[1] - span[0])


def _changes(said: Mapping[str, str], changes: Changes) -> str:
    if changes.rows is None or changes.columns is None or changes.seconds is None:
        return said["same"]
    (top, bottom), (left, right), (start, end) = changes.rows, changes.columns, changes.seconds
    return said["changes"].format(
        share=100 * changes.share,
        top=100 * top,
        bottom=100 * bottom,
        left=100 * left,
        right=100 * right,
        start=start,
        end=end,
    )

"""What a bundle's licence lets an app do, the notice it must carry, and joining two of them."""

from collections.abc import Sequence
from pathlib import Path

from edge_sdk.bundle.manifest import Licence
from model_export.export.source import PERMISSIVE_CODE

LICENCE_NAME = "LICENSE.txt"


class LicenceRefused(Exception):
    """A bundle was asked for under terms that its nets do not have; the message says which."""

    code = "licence_refused"


def is_embeddable(licence: Licence) -> bool:
    """Whether any app, closed ones too, may carry the weights."""
    return licence.spdx in PERMISSIVE_CODE and not licence.research_only


def joined(licences: Sequence[Licence]) -> Licence:
    """The terms of a bundle of several nets: the strictest of each kind."""
    strict = [licence for licence in licences if licence.spdx not in PERMISSIVE_CODE]
    spdx = (strict or list(licences))[0].spdx
    notices = dict.fromkeys(licence.notice for licence in licences if licence.notice)
    return Licence(
        spdx=spdx,
        notice=" ".join(notices),
        research_only=any(licence.research_only for licence in licences),
    )


def require_embeddable(licence: Licence, name: str) -> None:
    """Raise `LicenceRefused` unless the weights may go into any app: what ships by default must."""
    if not is_embeddable(licence):
        terms = "research only" if licence.research_only else licence.spdx
        raise LicenceRefused(
            f"{name} is {terms}: it may be a bundle of its own with its notice, but not one that "
            f"ships by default. {licence.notice}"
        )


def terms_in_words(licence: Licence) -> str:
    """One sentence for people."""
    if licence.research_only:
        return f"{licence.spdx}, **for research only**: the training pictures allow no more."
    if licence.spdx.startswith("AGPL"):
        return (
            f"{licence.spdx}: an app that embeds these weights must open its source under the "
            "same licence, or buy another one."
        )
    return f"{licence.spdx}: any app may embed these weights."


def licence_text(licence: Licence) -> str:
    """The text that lies beside the weights: notice, and the licence in full where we have it."""
    head = f"{licence.spdx}\n\n{terms_in_words(licence)}\n\n{licence.notice}\n"
    if licence.spdx != "Apache-2.0":
        return f"{head}\nFull text: https://spdx.org/licenses/{licence.spdx}.html\n"
    full = Path(__file__).resolve().parents[2] / "LICENSE"
    return f"{head}\n{full.read_text(encoding='utf-8')}" if full.is_file() else head

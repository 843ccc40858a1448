"""The studies that the command knows: a new one is a module with a `Study` and a line in each table here."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from crisislens.core.registry import Registry

if TYPE_CHECKING:
    from crisislens.bench.study import Study

__all__ = ["ABOUT", "STUDIES"]

# torch comes with a study: nobody should wait for it to read what the command can do
STUDIES: "Registry[Callable[[], Study[Any]]]" = Registry(
    "study",
    ours={
        "denoise": "crisislens.bench.denoise:Denoise",
        "mismatch": "crisislens.bench.mismatch:Mismatch",
        "paper": "crisislens.bench.paper:Paper",
        "places": "crisislens.bench.places:Places",
        "rationales": "crisislens.bench.rationales:Rationales",
    },
)
"""By name, a class that can be called without arguments; imported when it is asked for."""

ABOUT = {
    "denoise": "Several crises in one text and a caption that names the one that is meant: does differential "
    "attention cancel the others? DATA holds crisis_text.\n\n"
    "Setting: humaid. Systems: guided, differential, lambda_zero, plain, unguided.",
    "mismatch": "Contexts that belong to other posts: do Shapley values bear them better than InfoNCE does? "
    "DATA holds photos and mner.\n\n"
    "Settings: captions, twitter2017. Systems: info_nce, info_nce_warm, bounded, shapley_margin, "
    "shapley_softmax, similarity_margin.",
    "paper": "The protocol of arXiv 2507.05165 with 10, 25, 50 and 100 % of the training posts: does "
    "differential attention help, as its code has it and as its text has it? DATA holds crisismmd.\n\n"
    "Settings: A2, A3-photos, A3. Systems: guided, differential, guided_published, differential_published.",
    "places": "Does a text belong to its photo, and what kind of place is it: what SG-MFT's similarities add "
    "in a shared space. DATA holds photos.",
    "rationales": "Decisions on rationales alone, by two stages and by one transformer under both, against "
    "the whole post; on the crisis learned from and on others. DATA holds rationales, photos and "
    "crisis_text.\n\n"
    "Settings: nepal, hagupit, humaid, dmd_text. Systems: two_stage, two_stage_whole, two_stage_rest, "
    "auxiliary, auxiliary_starred, joint, joint_whole.",
}
"""By name, what the command's help says of it: the question and what DATA holds, then the names that
`--setting` and `--system` take.
"""

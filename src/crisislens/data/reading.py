"""What reading a table changed, counted: nothing is changed or left out without a word."""

from collections import Counter
from dataclasses import dataclass, field

__all__ = ["Reading"]

_ZEROS_SHARE = 0.1
_FEW = 3


@dataclass
class Reading:
    """Counts of one pass over a table.

    Attributes:
        rows: Rows that became a post or failed.
        left_out: Rows that are no posts, by their kind.
        markup: Posts whose text was HTML.
        mended: Posts whose letters had been read with a wrong encoding and can be restored.
        lost: Posts whose letters cannot.
        unread_times: Posts whose time could not be read.
        unread_time: The first of those times.
        no_places: Posts whose coordinates were left out.
        rounded_ids: Posts whose id a spreadsheet rounded; their row's number took its place.
        no_ids: Posts without an id in a table that has a column for it; likewise.
        zeros: Posts whose id ends in zeros as a spreadsheet leaves them.
        more_photos: Posts that name several photos.
        addresses: Posts whose photo is an address.
    """

    rows: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    markup: int = 0
    mended: int = 0
    lost: int = 0
    unread_times: int = 0
    unread_time: str = ""
    no_places: int = 0
    rounded_ids: int = 0
    no_ids: int = 0
    zeros: int = 0
    more_photos: int = 0
    addresses: int = 0

    def notes(self) -> list[str]:
        """What a reader must know, a sentence each."""
        said = [f"{count} {what} left out" for what, count in sorted(self.left_out.items())]
        counted = (
            (self.markup, "texts were HTML; markup was removed"),
            (self.mended, "texts hold letters that were read wrongly before; the models get them repaired"),
            (
                self.lost,
                "texts seem to be read with the wrong encoding; no answer that rests on them is sure",
            ),
            (
                self.unread_times,
                f"times could not be read for certain and are left out, such as {self.unread_time!r}",
            ),
            (self.no_places, "coordinates are 0 and 0, beyond the Earth or unreadable, and are left out"),
            (
                self.rounded_ids,
                "ids were rounded by a spreadsheet and are row numbers now; --map id= gives all a row number",
            ),
            (self.no_ids, "posts have no id and are named by their row"),
            (
                self.addresses,
                "photos are addresses, which are never fetched; download them and give their paths",
            ),
        )
        said += [f"{count} {what}" for count, what in counted if count]
        if self.zeros >= max(_FEW, _ZEROS_SHARE * self.rows):
            said.append(
                f"{self.zeros} ids end in zeros as spreadsheets leave them (they keep 15 digits), and may "
                f"not be the platform's; where two are equal, a row number takes the place of the second"
            )
        return said

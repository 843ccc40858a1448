r"""Near-duplicates: what one text or photo is remembered by. `data.alike` groups posts by it, and
`data.clusters` finds whole chains of them.

Text. The set $S$ of all substrings of 5 characters (a rolling hash of each) of the lower-cased
words, mentions and links left out; its MinHash signature is $s_j = \min_{x \in S} \pi_j(x)$ for 64
permutations $\pi_j$, so that

$$P(s_j(A) = s_j(B)) = J(A, B) = \frac{|A \cap B|}{|A \cup B|},$$

estimated by the share of equal entries with a standard error of at most $1/16$. Characters and not
words, because one word in another language, one typo or a cut tail must not change a short post's
whole set. Source: Broder 1997, "On the resemblance and containment of documents". The permutations
of 32 bits are $\pi_j(x) = a_j\,\mathrm{fmix}(x) + b_j \bmod 2^{32}$ with odd $a_j$ and the finalizer
of MurmurHash3, drawn as datasketch 2.0 draws its scheme `affine32`, so that signatures are its own;
importing that package for these lines took 0.3 s at each start.

Photo. The 64-bit perceptual hash of the gray picture's low frequencies (pHash, by imagehash); two
photos are near-duplicates within a Hamming distance of 4. A nearly uniform picture has no
frequencies: its hash would be noise that joins night, fog and blank screens, so it has none.

Numbers. "16 dead" and "17 dead" share nearly all substrings and are not the same message: what a
text counts, dates and measures is remembered beside its signature (`numbers_said`).
"""

import hashlib
import re
import unicodedata
from functools import lru_cache

import numpy as np
from jaxtyping import UInt8, UInt32
from PIL import Image

from crisislens.data.clusters import Cluster, cluster

__all__ = ["SIGNATURE_LENGTH", "Cluster", "cluster", "image_hash", "numbers_said", "text_signature"]

SIGNATURE_LENGTH = 64
_SHINGLE = 5
# gray levels (of 255); JPEG noise on a blank picture stays below 2,
# the flattest of 299 crisis photos has 17
_FLAT_DEVIATION = 4.0
_NOISE = re.compile(r"https?://\S*|@\w+|[^\w\s]|_")
_LINKS = re.compile(r"https?://\S*|@\w+")
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[.,](?=\d{3}\b)")
# a prime; the hash rolls over characters in wrapping 64-bit arithmetic
_POWER = np.uint64(1099511628211)
_MIX = np.uint64(0xBF58476D1CE4E5B9)


def text_signature(text: str) -> UInt32[np.ndarray, " 64"] | None:
    """The MinHash signature of a text, or None where it has no letter or digit.

    >>> a = text_signature("Bridge on Mill Road is gone!")
    >>> b = text_signature("RT @ann: bridge on mill road is gone https://t.co/x")
    >>> bool((a == b).mean() > 0.8)
    True
    >>> text_signature("… !!") is None
    True

    Arguments:
        text: Cleaned (`data.text`) or raw; case, punctuation, mentions, links and the retweet
            marker do not count.
    """
    words = _NOISE.sub(" ", text).lower().split()
    codes = np.frombuffer(
        " ".join(words[1:] if words[:1] == ["rt"] else words).encode("utf-32-le", "replace"), np.uint32
    )
    if not len(codes):
        return None
    # a text of three letters is one shingle
    width = min(_SHINGLE, len(codes))
    hashes = np.zeros(len(codes) - width + 1, np.uint64)
    for k in range(width):
        hashes = hashes * _POWER + codes[k : len(codes) - width + 1 + k]
    # 32 bits are permuted; the upper half of a mixed hash has them all
    hashes = ((hashes ^ hashes >> np.uint64(29)) * _MIX) >> np.uint64(32)
    return _smallest(np.unique(hashes).astype(np.uint32))


def numbers_said(text: str) -> int:
    """Which numbers a text says, in [0, 2⁶⁴); 0 where it says none. Links and mentions do not count.

    >>> numbers_said("Toll at 3,200, 16 in Ponce") == numbers_said("16 in ponce; toll 3200 http://t.co/9")
    True
    >>> numbers_said("16 dead") == numbers_said("17 dead")
    False
    >>> numbers_said("many dead")
    0
    """
    plain = _BETWEEN_DIGITS.sub("", _LINKS.sub(" ", text))
    # digits of every script, without leading zeros, in whatever order they stand
    said = sorted({run.lstrip("0") or "0" for run in map(_ascii_digits, re.findall(r"\d+", plain))})
    if not said:
        return 0
    return int.from_bytes(hashlib.blake2b(" ".join(said).encode(), digest_size=8).digest(), "little")


def _ascii_digits(run: str) -> str:
    return "".join(str(unicodedata.digit(character)) for character in run)


def _smallest(shingles: UInt32[np.ndarray, " n"]) -> UInt32[np.ndarray, " 64"]:
    """The smallest of all shingles under each permutation."""
    mixed = shingles ^ shingles >> np.uint32(16)
    mixed = mixed * np.uint32(0x85EBCA6B)
    mixed ^= mixed >> np.uint32(13)
    mixed *= np.uint32(0xC2B2AE35)
    mixed ^= mixed >> np.uint32(16)
    factors, offsets = _permutations()
    # a row a permutation: the smallest is then looked for in memory that lies together
    return np.asarray((factors[:, None] * mixed + offsets[:, None]).min(axis=1))


@lru_cache(maxsize=1)
def _permutations() -> tuple[UInt32[np.ndarray, " 64"], UInt32[np.ndarray, " 64"]]:
    """Factors $a_j$ and offsets $b_j$; numpy never changes what this old generator draws."""
    draw = np.random.RandomState(1)
    halves = draw.randint(0, 1 << 31, SIGNATURE_LENGTH, dtype=np.uint32)
    return halves * np.uint32(2) + np.uint32(1), draw.randint(0, 1 << 32, SIGNATURE_LENGTH, dtype=np.uint32)


def image_hash(pixels: UInt8[np.ndarray, "h w 3"]) -> int | None:
    """The perceptual hash of a picture, in [0, 2⁶⁴), or None where it is nearly uniform.

    Arguments:
        pixels: RGB as `data.images` decodes it.
    """
    import imagehash

    # copies of a photo often differ by a filter
    gray = Image.fromarray(pixels).convert("L")
    if np.asarray(gray.resize((32, 32), Image.Resampling.BOX)).std() < _FLAT_DEVIATION:
        return None
    return int(str(imagehash.phash(gray)), 16)

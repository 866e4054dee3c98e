"""Text whose letters were moved: spaced or dotted out, one to a line, backwards, upside down or in Pig Latin."""

import re

from services.moderation.model.letters import read_table
from services.moderation.model.lexicon import Lexicon

_GAP = r"[\s.\-_/\\|*,~+·•=:^]"
_NEXT = rf"(?:{_GAP}{{1,5}}(?:'{_GAP}{{1,5}})?[^\W_](?![^\W_]))"
_SPELT = re.compile(rf"(?<![^\W_])[^\W\d_]{_NEXT}{{2,}}|(?<![^\W_])[^\W_]{_NEXT}{{3,}}")
_WORDS = re.compile(r"[^\W\d_]+")
_PIG = re.compile(r"[a-z]+ay")
_FLIPPED_ONLY = frozenset("ɐɔǝɟƃɥᴉɾʞɯɹʇʌʍʎ")


def join_spelt_out(text: str, lexicon: Lexicon) -> str:
    """Join runs of single letters into words; a run that makes no known words ("option a, b, c") is left as it was."""

    def join(match: re.Match[str]) -> str:
        run = match.group()
        run = re.sub(rf"({_GAP}+)'{_GAP}*", r"\1", run)
        gaps = re.findall(rf"{_GAP}+", run)
        wide, narrow = max(map(len, gaps)), min(map(len, gaps))
        if any(not gap.isspace() and not gap[-1:].isspace() for gap in gaps) and any(
            gap[-1:].isspace() for gap in gaps
        ):
            pieces = run.split()
        else:
            pieces = re.split(rf"{_GAP}{{{narrow + 1},}}", run) if wide > narrow else [run]
        words: list[str] = []
        for piece in pieces:
            letters = "".join(ch for ch in piece if ch.isalnum())
            words += _read(letters, lexicon) or [letters]
        found = [word for word in words if word in lexicon]
        return " ".join(words) if found and any(len(word) > 2 for word in found) else match.group()

    return _SPELT.sub(join, text) if _SPELT.search(text) else text


def _read(letters: str, lexicon: Lexicon) -> list[str] | None:
    if letters in lexicon:
        return [letters]
    plain = letters.translate(str.maketrans("01345@$7", "oieasast"))
    return lexicon.split(plain)


def split_run_together(word: str, lexicon: Lexicon) -> str:
    """Split a long unknown string such as ``iwanttodie`` when only common words and a guarded one come out of it."""
    if not 8 <= len(word) <= 60 or not word.isascii() or not word.isalpha() or lexicon.knows(word):
        return word
    words = lexicon.split(word) or []
    if not any(len(part) > 2 and part in lexicon.guarded for part in words) or len(word) < 2.4 * len(words):
        return word
    return " ".join(words) if all(map(lexicon.is_everyday, words)) else word


def set_upright(text: str, lexicon: Lexicon) -> str:
    """Turn upside-down text the right way round; it is read from its end unless that makes fewer known words."""
    if len(_FLIPPED_ONLY & set(text)) < 2:
        return text
    table = {ord(a): b for a, b in read_table("letters")["upside_down"].items()}
    turned = text.translate(table)
    readings = [turned[::-1], turned, text.translate({k: v for k, v in table.items() if k > 127})]
    return max(readings, key=lambda reading: lexicon.known_share(_WORDS.findall(reading)))


def read_backwards(text: str, lexicon: Lexicon) -> str:
    """Return ``text`` reversed (as a whole, or word by word) when only then it consists of known words."""
    words = _WORDS.findall(text)
    if not words or sum(map(len, words)) < 6 or lexicon.known_share(words) > 0.5:
        return text
    mirrored = text[::-1]
    by_word = _WORDS.sub(lambda word: word.group()[::-1], text)
    backwards = [word[::-1] for word in words]
    if lexicon.known_share(backwards) < 0.75:
        return text
    return mirrored if len(words) > 1 and _flows(mirrored) >= _flows(by_word) else by_word


def _flows(text: str) -> int:
    """Count pairs that open an English sentence the right way round; enough to tell the order of words."""
    return len(
        re.findall(
            r"\b(?:i|you|we|he|she|they|going|want|my|the|a|to) "
            r"(?:am|are|is|want|will|to|kill|going|gonna|can|hate|school|life|self)\b",
            text,
        )
    )


def read_pig_latin(text: str, lexicon: Lexicon) -> str:
    """Undo Pig Latin when half of the words end in -ay, are no words, and become words once undone."""
    words = _WORDS.findall(text)
    odd = [word for word in words if _PIG.fullmatch(word) and word not in lexicon]
    if len(odd) < 2 or 2 * len(odd) < len(words):
        return text
    undone = {word: _unpig(word, lexicon) for word in words if _PIG.fullmatch(word)}
    good = sum(undone[word] in lexicon for word in odd)
    return _WORDS.sub(lambda word: undone.get(word.group(), word.group()), text) if 3 * good >= 2 * len(odd) else text


def _unpig(word: str, lexicon: Lexicon) -> str:
    stem = word[:-2]
    turned = [stem[-size:] + stem[:-size] for size in (1, 2, 3) if size < len(stem)]
    choices = [*(stem[:-1] for ending in "wyh" if stem.endswith(ending)), *turned, stem]
    known = [choice for choice in choices if choice in lexicon]
    return min(known, key=lambda choice: lexicon.rank[choice]) if known else word

"""Languages as people and films write them: "fr", "fra", "fre" and "fr-CA" are all French (ISO 639)."""

from __future__ import annotations

import re

from cfork_cli.errors import UsageError

# fmt: off
_PAIRS = (
    "aaaar ababk aeave afafr akaka amamh anarg arara asasm avava ayaym azaze babak bebel bgbul bhbih bibis bmbam bnben "
    "bobod brbre bsbos cacat ceche chcha cocos crcre csces cuchu cvchv cycym dadan dedeu dvdiv dzdzo eeewe elell eneng "
    "eoepo esspa etest eueus fafas ffful fifin fjfij fofao frfra fyfry gagle gdgla glglg gngrn guguj gvglv hahau heheb "
    "hihin hohmo hrhrv hthat huhun hyhye hzher iaina idind ieile igibo iiiii ikipk ioido isisl itita iuiku jajpn jvjav "
    "kakat kgkon kikik kjkua kkkaz klkal kmkhm knkan kokor krkau kskas kukur kvkom kwcor kykir lalat lbltz lglug lilim "
    "lnlin lolao ltlit lulub lvlav mgmlg mhmah mimri mkmkd mlmal mnmon mrmar msmsa mtmlt mymya nanau nbnob ndnde nenep "
    "ngndo nlnld nnnno nonor nrnbl nvnav nynya ococi ojoji omorm orori ososs papan pipli plpol pspus ptpor quque rmroh "
    "rnrun roron rurus rwkin sasan scsrd sdsnd sesme sgsag sisin skslk slslv smsmo snsna sosom sqsqi srsrp ssssw stsot "
    "susun svswe swswa tatam tetel tgtgk ththa titir tktuk tltgl tntsn toton trtur tstso tttat twtwi tytah uguig ukukr "
    "ururd uzuzb veven vivie vovol wawln wowol xhxho yiyid yoyor zazha zhzho zuzul"
)
_BIBLIOGRAPHIC = (
    "tibbod czeces welcym gerdeu greell baqeus perfas frefra armhye iceisl geokat macmkd maomri maymsa burmya dutnld "
    "rumron sloslk albsqi chizho"
)
# fmt: on
_THREE = {pair[:2]: pair[2:] for pair in _PAIRS.split()} | {pair[:3]: pair[3:] for pair in _BIBLIOGRAPHIC.split()}
"""Two letters, and the old three letters of libraries (which films use), to the three letters that mean the same."""


_QUICKTIME = {
    "fre": "fra", "deu": "ger", "nld": "dut", "ell": "gre", "isl": "ice", "zho": "chi", "sqi": "alb", "rum": "ron",
    "cze": "ces", "slo": "slk",
}  # fmt: skip


def for_quicktime(language: str) -> str:
    """The language as QuickTime files know it: of the two ways to write some, they have only one.

    >>> for_quicktime("fre"), for_quicktime("deu"), for_quicktime("eng")
    ('fra', 'ger', 'eng')
    """
    return _QUICKTIME.get(language, language)


def canonical(tag: str) -> str:
    """The language's three letters, without country or script; what is no such tag comes back in lower case.

    >>> [canonical(tag) for tag in ("fr", "FRE", "fr-CA", "pt_BR", "gsw")]
    ['fra', 'fra', 'fra', 'por', 'gsw']
    """
    language = re.split("[-_]", tag.strip().lower())[0]
    return _THREE.get(language, language)


def looks_like_a_language(text: str) -> bool:
    """Return whether it is written like a language tag: two or three letters, perhaps with a country.

    >>> looks_like_a_language("pt-BR"), looks_like_a_language("second")
    (True, False)
    """
    return re.fullmatch(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*", text.strip()) is not None


_NAMES = {
    "english": "eng", "german": "deu", "deutsch": "deu", "french": "fra", "francais": "fra", "français": "fra",
    "spanish": "spa", "espanol": "spa", "español": "spa", "italian": "ita", "italiano": "ita", "portuguese": "por",
    "dutch": "nld", "russian": "rus", "japanese": "jpn", "chinese": "zho", "mandarin": "zho", "korean": "kor",
    "arabic": "ara", "hindi": "hin", "polish": "pol", "turkish": "tur", "swedish": "swe", "norwegian": "nor",
    "danish": "dan", "finnish": "fin", "czech": "ces", "greek": "ell", "hungarian": "hun", "hebrew": "heb",
    "ukrainian": "ukr", "romanian": "ron", "thai": "tha", "vietnamese": "vie", "indonesian": "ind",
}  # fmt: skip


def codes() -> dict[str, str]:
    """Return the languages that we know by name: three letters -> the name in English."""
    return {code: name.capitalize() for name, code in reversed(_NAMES.items())}


def of_name(text: str) -> str | None:
    """Return the three letters of a language that is called by its name; None if we do not know it.

    >>> of_name("German"), of_name("deu")
    ('deu', None)
    """
    return _NAMES.get(text.strip().lower())


def parse_language(text: str) -> str:
    """Return the three letters of a language that a user names: "es", "spa", "Spanish"; "pt-BR" stays.

    Raises:
        UsageError: it is not written like a language.

    >>> parse_language("Spanish"), parse_language("es"), parse_language("pt-BR")
    ('spa', 'spa', 'pt-BR')
    """
    word = text.strip()
    named = of_name(word)
    if named is not None:
        return named
    if not looks_like_a_language(word):
        raise UsageError(f"'{text}' is not a language: give its code, such as spa or es")
    return word if re.search("[-_]", word) else canonical(word)

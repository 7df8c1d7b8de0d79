"""The texts that goldens are made of: our own wording, plus input of the kind that breaks tokenizers.

A text is a str, or bytes where it is not valid UTF-8 (read as errors="replace" reads it).
"""

import base64
import pathlib

CORPUS = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data" / "corpus.txt"

HOSTILE = [
    "",
    " ",
    "a",
    "é",
    "桥",
    "\t\r\n",
    "   many   spaces \t inside   and around   ",
    "line one\nline two\r\nline three",
    "control\x00\x01\x07\x1b[31m characters\x7f\x85 inside",
    "zero\u200bwidth\u200djoiners\ufeff and\u00a0hard\u2009spaces",
    "cafe\u0301 and café, Ångström and A\u030angstro\u0308m",
    "ＦＵＬＬ ｗｉｄｔｈ and ﬁne ligatures, ½ and ²",
    "İstanbul DİYARBAKIR ıssız STRASSE straße ΣΊΣΥΦΟΣ",
    "👩\u200d👩\u200d👧\u200d👦 a family 🏳️\u200d🌈, a flag 🇫🇷, a thumb 👍🏽",
    "老桥下的河水很慢mixed with latin右",
    "古い駅の時計カタカナ ﾊﾝｶｸ",
    "도서관은 조용하다 ᄒ\u1161\u11ab",
    "السَّلَامُ عَلَيْكُمْ שָׁלוֹם",
    "नमस्ते क्षत्रिय ไทยไม่มีช่องว่าง",
    "[CLS] a special token in a text [SEP] and [MASK] and [UNK] and [PAD]",
    "[cls] [Sep]x[SEP]y [MASK",
    "##ing ##s # #hash a##b",
    "!!!???...,,,;;;:::---___***((()))[[[]]]{{{}}}<<<>>>\\\\//||~~``^^@@##$$%%&&++==",
    "$ ^ ` ~ + = < > | © ® ™ € £ ¥ § ¶ † ‡ • … ‰ ′ ″ ‹ › ⁄ ∀ ∂ ∑ ∞",
    "don't can't it's we're I'm they'll \u2018curly\u2019 \u201cquotes\u201d \u2013 \u2014",
    "http://example.org/a/b?c=d&e=f#g lamp@example.org C:\\dir\\file.txt",
    "0123456789 3.14159 1,000,000 1e-12 -42 +7 0x1F ١٢٣ ⅷ",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "x" * 99,
    "x" * 101,
    "aaaa " * 60,
    "\U0010ffff \U000e0001 \ue000 \ufffd \ufffe",
    "q\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308\u0309\u030a zalgo",
    b"\xff\xfe broken start",
    b"cut in the middle \xe4\xb8",
    b"overlong \xc0\xaf, surrogate \xed\xa0\x80, too large \xf4\x90\x80\x80, lone \x80\xbf",
    b"latin-1 caf\xe9 and \xe9t\xe9",
    b"\xf0\x9f\x91 then text \xf0\x9f\x91\xa9 then \xf0",
]

PAIRS = [
    ("where does the ferry leave?", "The ferry leaves the old harbour at seven."),
    ("", ""),
    ("a", ""),
    ("", "b"),
    ("[SEP]", "[CLS]"),
    ("老桥", "the old bridge"),
    (
        "a long question that goes on and on, about bridges and rivers and clocks and boats and bread",
        "a long answer that goes on and on too, about boats and clocks and rivers and bridges and bread "
        "and about everything else that the village ever needed to know before the first winter storm",
    ),
    ("short", "bread and boats and clocks and rivers and bridges and violins " * 6),
    ("bread and boats and clocks and rivers and bridges and violins " * 6, "short"),
    (b"caf\xe9", b"\xff"),
]


def corpus():
    return CORPUS.read_text(encoding="utf-8").splitlines()


def long_text(words):
    """`words` words of the corpus."""
    return " ".join(" ".join(corpus()).split()[:words])


def decode(text):
    return text if isinstance(text, str) else text.decode("utf-8", errors="replace")


def field(name, text):
    """The JSON member(s) for a text: {"text": …} or, for bytes, {"text_base64": …}."""
    if isinstance(text, str):
        return {name: text}
    return {name + "_base64": base64.b64encode(text).decode()}

"""Texts of many scripts and kinds, made of random syllables: nobody's sentences. The same for the same seed."""

import random

# Letters by script: ranges of code points that are all assigned.
SCRIPTS = {
    "Latin": [(0x61, 0x7A)],
    "Latin with marks": [(0x61, 0x7A), (0xE0, 0xF6), (0x101, 0x101), (0x10D, 0x10D), (0x131, 0x131), (0x142, 0x142)],
    "Cyrillic": [(0x430, 0x44F)],
    "Greek": [(0x3B1, 0x3C1), (0x3C3, 0x3C9), (0x3AC, 0x3AF)],
    "Armenian": [(0x561, 0x586)],
    "Georgian": [(0x10D0, 0x10F0)],
    "Hebrew": [(0x5D0, 0x5EA)],
    "Arabic": [(0x627, 0x63A), (0x641, 0x64A)],
    "Devanagari": [(0x915, 0x928), (0x92A, 0x930), (0x93E, 0x942), (0x94D, 0x94D)],
    "Bengali": [(0x995, 0x9A8), (0x9BE, 0x9C2)],
    "Tamil": [(0xB95, 0xB95), (0xBA4, 0xBA4), (0xBAA, 0xBAA), (0xBAE, 0xBB5), (0xBBE, 0xBC0)],
    "Thai": [(0xE01, 0xE2E), (0xE34, 0xE37), (0xE48, 0xE49)],
    "Hangul": [(0xAC00, 0xAC80)],
    "Kana": [(0x3042, 0x308D), (0x30A2, 0x30ED)],
    "Han": [(0x4E00, 0x4E80), (0x5728, 0x5760)],
    "Ethiopic": [(0x1200, 0x1230)],
}
UNSPACED = {"Thai", "Kana", "Han"}
ENDS = {"Arabic": "؟", "Devanagari": "।", "Armenian": "։", "Han": "。", "Kana": "。", "Ethiopic": "።", "Greek": ";"}
BLANKS = ["", " ", "\n", " \t ", "\u00a0", "\u3000\n", "   \r\n  "]
TAILS = [" ", "\n", "  ", "\t", "\u00a0", " \n\n"]
ODD = ["👍🏽", "👩🏿‍🚀", "ﬁ", "½", "™", "㎏", "ß", "ẞ", "İ", "e\u0301", "A\u030a", "\u200d", "#", "_", "--", "…", "“", "’s", "𝕊", "𠜎"]
KEYWORDS = ["def", "return", "for", "if", "const", "let", "class", "=>", "==", "!=", "+=", "();", "{", "}", "[0]", "//"]


class Texts:
    def __init__(self, seed):
        self.random = random.Random(seed)
        # A language has words that come again: those of its list, the first ones most.
        self.words = {script: [self._word(ranges) for _ in range(120)] for script, ranges in SCRIPTS.items()}

    def _word(self, ranges):
        letters = [chr(code) for first, last in ranges for code in range(first, last + 1)]
        return "".join(self.random.choice(letters) for _ in range(self.random.randint(1, 8)))

    def word(self, script):
        words = self.words[script]
        word = words[int(len(words) * self.random.random() ** 2)]
        return word[:1].upper() + word[1:] if self.random.random() < 0.15 else word

    def sentence(self, script, length):
        parts = []
        for _ in range(length):
            chance = self.random.random()
            parts.append(str(self.random.randint(0, 99999)) if chance < 0.04 else self.word(script))
            if chance > 0.93:
                parts[-1] += ","
        return ("" if script in UNSPACED else " ").join(parts) + (ENDS.get(script, ".") if self.random.random() < 0.6 else "")

    def code(self):
        lines = []
        for _ in range(self.random.randint(1, 6)):
            parts = [self.random.choice([*KEYWORDS, self.word("Latin"), f"{self.word('Latin')}_{self.word('Latin')}"]) for _ in range(self.random.randint(2, 8))]
            lines.append("    " * self.random.randint(0, 2) + " ".join(parts))
        return "\n".join(lines)

    def text(self, at):
        """Kinds and scripts take turns, so that the first hundred have all of them."""
        script = list(SCRIPTS)[at % len(SCRIPTS)]
        kind = at // len(SCRIPTS) % 8
        if kind == 0:
            return self.sentence(script, self.random.randint(1, 3))
        if kind in (1, 2):
            return self.sentence(script, self.random.randint(4, 16))
        if kind == 3:
            return self.sentence(script, self.random.randint(60, 120))  # beyond the limit
        if kind == 4:
            return self.random.choice(TAILS[:3] if at % 2 else [""]) + self.sentence(script, 5) + self.random.choice(TAILS)
        if kind == 5:
            return self.code() if at % 2 else self.random.choice(BLANKS)
        if kind == 6:
            words = [self.word(self.random.choice(list(SCRIPTS))) for _ in range(8)]
            return " ".join(words) if at % 2 else "\n\n".join((" ".join(words[:4]), " ".join(words[4:])))
        return " ".join(self.random.choice(ODD) if self.random.random() < 0.4 else self.word(script) for _ in range(8))


def texts_of(seed, count):
    source = Texts(seed)
    return [source.text(at) for at in range(count)]


def corpus_of(seed, count):
    """Texts that tokenizers are trained on: the same words, in other sentences."""
    source = Texts(seed)
    source.random.seed(seed + 1)
    return [source.sentence(list(SCRIPTS)[at % len(SCRIPTS)], 20) for at in range(count)] + [source.code() for _ in range(count // 8)]

"""A model's regular expression as a program for src/wire/pattern.c.

Patterns are written for another dialect and mean the whole text (anchors say nothing new).
What can't be translated faithfully (look-ahead, back-references, boundaries) gives None, and
the shape stays unchecked; so does nothing else: a valid value is never refused.
"""
import re
try:
    import re._parser as sre            # Python 3.11 and later
except ImportError:
    import sre_parse as sre

SET, SPLIT, JUMP, MATCH = 0, 1, 2, 3    # as in src/wire/pattern.h
SIZE_MAX = 1024                         # words
REPEAT_MAX = 80                         # more copies become "any number": lengths are checked
LAST = 0x10ffff
CLASSES = {                             # beyond ASCII everything is taken for a letter
    'L': r'a-zA-Z\x80-\U0010ffff', 'N': r'0-9\x80-\U0010ffff', 'Z': r' \x80-\U0010ffff',
    'Alnum': 'a-zA-Z0-9', 'Alpha': 'a-zA-Z', 'Digit': '0-9', 'Print': r'\x20-\x7e',
    'Graph': r'\x21-\x7e', 'ASCII': r'\x00-\x7f', 'XDigit': '0-9a-fA-F'}


class Unsupported(Exception):
    pass


def dialect(pattern):
    """Rewrites what Python's parser does not know: \\p{L}, pairs of surrogates."""
    pattern = pattern.replace(r'\uD800\uDC00-\uDBFF\uDFFF', r'\U00010000-\U0010ffff')
    out, i, inside = [], 0, False
    while i < len(pattern):
        name = re.match(r'\\p\{(\w+)\}', pattern[i:])
        if name:
            ranges = CLASSES.get(name.group(1), r'\x00-\U0010ffff')
            out.append(ranges if inside else f'[{ranges}]')
            i += name.end()
            continue
        step = 2 if pattern[i] == '\\' else 1
        if pattern[i] == '[':
            inside = True
        elif pattern[i] == ']':
            inside = False
        out.append(pattern[i:i + step])
        i += step
    return ''.join(out)


def invert(ranges):
    out, at = [], 0
    for low, high in sorted(ranges):
        if low > at:
            out.append((at, low - 1))
        at = max(at, high + 1)
    return out + ([(at, LAST)] if at <= LAST else [])


CATEGORY = {
    'CATEGORY_DIGIT': [(48, 57)], 'CATEGORY_SPACE': [(9, 13), (32, 32)],
    'CATEGORY_WORD': [(48, 57), (65, 90), (95, 95), (97, 122)]}


def category(name):
    if '_NOT_' in name:
        return invert(CATEGORY[name.replace('_NOT_', '_')])
    return CATEGORY[name]


def ranges_of(items):
    out, negate = [], False
    for op, value in items:
        if str(op) == 'NEGATE':
            negate = True
        elif str(op) == 'LITERAL':
            out.append((value, value))
        elif str(op) == 'RANGE':
            out.append(tuple(value))
        elif str(op) == 'CATEGORY':
            out += category(str(value))
        else:
            raise Unsupported(str(op))
    return invert(out) if negate else sorted(out)


class Compiler:
    def __init__(self):
        self.code = []

    def emit(self, *words):
        self.code += words
        if len(self.code) > SIZE_MAX:
            raise Unsupported('too long')
        return len(self.code) - len(words)

    def chars(self, ranges):
        self.emit(SET, len(ranges), *[n for r in ranges for n in r])

    def sequence(self, items):
        for op, value in items:
            self.one(str(op), value)

    def one(self, op, value):
        if op == 'LITERAL':
            self.chars([(value, value)])
        elif op == 'NOT_LITERAL':
            self.chars(invert([(value, value)]))
        elif op == 'ANY':
            self.chars(invert([(10, 10)]))
        elif op == 'IN':
            self.chars(ranges_of(value))
        elif op == 'SUBPATTERN':
            if value[1] or value[2]:
                raise Unsupported('flags')
            self.sequence(value[3])
        elif op == 'BRANCH':
            self.branch(value[1])
        elif op in ('MAX_REPEAT', 'MIN_REPEAT'):
            self.repeat(*value)
        elif op != 'AT' or 'BOUNDARY' in str(value):
            raise Unsupported(op)

    def branch(self, alternatives):
        ends = []
        for alternative in alternatives[:-1]:
            split = self.emit(SPLIT, 0, 0)
            self.code[split + 1] = len(self.code)
            self.sequence(alternative)
            ends.append(self.emit(JUMP, 0))
            self.code[split + 2] = len(self.code)
        self.sequence(alternatives[-1])
        for jump in ends:
            self.code[jump + 1] = len(self.code)

    def optional(self, item):
        split = self.emit(SPLIT, 0, 0)
        self.code[split + 1] = len(self.code)
        self.sequence(item)
        self.code[split + 2] = len(self.code)

    def any_number(self, item):
        split = self.emit(SPLIT, 0, 0)
        self.code[split + 1] = len(self.code)
        self.sequence(item)
        self.emit(JUMP, split)
        self.code[split + 2] = len(self.code)

    def repeat(self, low, high, item):
        many = high == sre.MAXREPEAT or high > REPEAT_MAX
        for _ in range(min(low, REPEAT_MAX)):
            self.sequence(item)
        if many:
            self.any_number(item)
        else:
            for _ in range(high - low):
                self.optional(item)


def compile_pattern(pattern):
    """The program as a list of words, or None."""
    try:
        compiler = Compiler()
        compiler.sequence(sre.parse(dialect(pattern)))
        compiler.emit(MATCH)
        return compiler.code
    except (Unsupported, re.error, OverflowError):
        return None

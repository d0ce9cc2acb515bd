"""What a text is made of: code, formulae, sentences, questions. Every pattern here runs in linear time."""

import re
from dataclasses import dataclass

_FENCE = re.compile(r"`{3,}|^[ \t]{0,3}~{3,}", re.MULTILINE)
_INLINE_CODE = re.compile(r"`[^`\n]{1,200}`")
_CALL = re.compile(r"\b[A-Za-z_]\w{1,40}(?:\(\)|\.[A-Za-z_]\w{0,40}\()")
_CODE_LINE = re.compile(
    r"""[ \t]*(?:
        (?:async[ ])?def[ ]\w+[ ]?\( | class[ ]\w+[ ]?[:({] | import[ ][\w.]+;?[ \t]*$ | from[ ][\w.]+[ ]import[ ]
      | \#include[ ]?[<"] | \#!/ | (?:public|private|protected|static)[ ]\w+[ ]\w+ | func(?:tion)?[ ]\w*[ ]?\(
      | (?:int|void|float|double|bool|char|auto|fn)[ ]\*?\w+[ ]?[(=\[;]
      | (?:const|let|var)[ ]\w+[ ]?[=:;] | (?:for|while|if|switch|elif)[ ]?\(.{0,200}\)[ ]?\{
      | (?:for[ ]\w.{0,80}[ ]in[ ].{1,200}|(?:if|elif|while)[ ].{0,99}[=<>(\[].{0,99}|else|try|except.{0,80}):[ \t]*$
      | (?:print|printf|console\.log|System\.out\.print\w*|assert|return)[ ]?[("'\[]
      | SELECT[ ].{1,400}[ ]FROM[ ] | (?:INSERT[ ]INTO|CREATE[ ]TABLE|UPDATE[ ]\w+[ ]SET)[ ]
      | \w[\w.\[\]]{0,60}[ ]?[-+*/]?=[ ]?(?:["'\[{]|\w[\w.]{0,60}\() | [{}][;,)]?[ \t]*$ | @\w+[ \t]*$
      | </?[A-Za-z][\w-]{0,20}(?:[ ][^<>]{0,200})?> | \$[ ][a-z] | >>>[ ] | .{2,300};[ \t]*$
    )""",
    re.VERBOSE,
)
_LATEX = re.compile(r"\$\$?(?=\S)([^$\n]{1,300})(?<=\S)\$\$?(?!\d)|\\\(|\\\[|\\begin\{(?!itemize|enumerate)")
_PROSE_IN_LATEX = re.compile(r"(?<![\\\w{])[A-Za-z]{2,} [A-Za-z]{2,}")
_MATHEMATICAL = re.compile(r"[\\^_=<>+*A-Za-z]")
_OPERATOR = re.compile(
    r"[\w)\]²³][ ]?(?:[=≤≥≈≠^\xd7÷]|<=|>=)[ ]?[-\w(\[\\√]|[\d)][ ]?[+*][ ]?[\d(A-Za-z]|[∑∫√∂∀∃∈≤≥≠≈±]"
    r"|\d[ ][-/][ ]\d|\\(?:frac|sum|int|sqrt|lim|prod|cdot|leq|geq|infty)\b"
)
_SAME_FORMULA_CHARACTERS = 12
_SENTENCE_END = re.compile(r"[.!?…؟]+(?=\s|[\"')\]]|$)|[。\uff01\uff1f]+|\n+")
_QUESTION = re.compile(r"[?\uff1f؟]+")
_DIGIT = re.compile(r"\d")
_LETTER_OR_DIGIT = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Structure:
    """Counts of what a text is made of, and its `prose`: the text without code blocks."""

    prose: str
    code_blocks: int
    inline_code: int
    formulae: int
    sentences: int
    questions: int
    digits: int


def read_structure(text: str) -> Structure:
    """Fenced blocks and groups of code lines are code blocks; a single code line, `x` and f() are inline code."""
    parts = _FENCE.split(text)
    outside = "\n".join(parts[0::2])
    groups, lone_lines, prose = _unfenced_code(outside)
    spans = _INLINE_CODE.findall(prose)
    prose_only = _INLINE_CODE.sub(" ", prose)
    return Structure(
        prose=prose,
        code_blocks=sum(1 for part in parts[1::2] if part.strip()) + groups,
        inline_code=lone_lines + len(spans) + len(_CALL.findall(prose_only)),
        formulae=_formulae(prose_only),
        sentences=sum(1 for part in _SENTENCE_END.split(prose) if _LETTER_OR_DIGIT.search(part)),
        questions=len(_QUESTION.findall(prose_only)),
        digits=len(_DIGIT.findall(text)),
    )


def _unfenced_code(text: str) -> tuple[int, int, str]:
    """The number of groups of two or more code lines, of code lines on their own, and the text without either."""
    groups = lone = run = 0
    prose = []
    for line in (*text.split("\n"), ""):
        body = run > 0 and line[:1] in (" ", "\t")  # the indented body of the code above
        if body or _CODE_LINE.match(line):
            run += 1
            continue
        groups += run > 1
        lone += run == 1
        run = 0
        prose.append(line)
    return groups, lone, "\n".join(prose)


def _formulae(prose: str) -> int:
    """LaTeX formulae, and clusters of operators that stand close together: `3x^2 + 2x = 5` is one formula."""
    latex = [match for match in _LATEX.finditer(prose) if _is_formula(match.group(1))]
    count = len(latex)
    end = -_SAME_FORMULA_CHARACTERS
    for match in _OPERATOR.finditer(_without(prose, latex)):
        count += match.start() - end >= _SAME_FORMULA_CHARACTERS
        end = match.end()
    return count


def _is_formula(content: str | None) -> bool:
    """Whether what stands between two dollar signs is mathematics and not two sums of money with prose between."""
    return content is None or bool(_MATHEMATICAL.search(content) and not _PROSE_IN_LATEX.search(content))


def _without(text: str, matches: list[re.Match[str]]) -> str:
    kept = []
    start = 0
    for match in matches:
        kept.append(text[start : match.start()])
        start = match.end()
    return " ".join((*kept, text[start:]))

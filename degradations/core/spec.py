"""Parsing of spec text into operators.

``gray+sr:factor=2,filter=lanczos+inpaint:mask="a+b.png"`` is a chain, applied from left to right.

    chain    = operator ("+" operator)*
    operator = name [":" value ("," value)*]
    value    = [parameter "="] text

The first value may be written without its parameter's name. Text that contains ``+ , : =``, blanks or quotation marks
is quoted with ' or ", and a quotation mark inside is doubled.
"""

from __future__ import annotations

from degradations.core.base import Degradation
from degradations.core.chain import Chain
from degradations.core.probe import is_foreign, try_out
from degradations.core.registry import find
from degradations.errors import DegradationError, PluginError, SpecError, summarize

LONGEST, MOST_LINKS = 2**18, 64  # characters (a kernel of 151 x 151 numbers takes 2**18), and operators of a chain
TRIED_AT = ((32, 32), (256, 256))  # the larger for operators whose filters do not fit into the smaller


def _split(text: str, mark: str, limit: int = -1) -> list[str]:
    """Split text at the marks outside quotation marks."""
    parts, current, quoted = [], "", ""
    for letter in text:
        if letter in "'\"" and quoted in ("", letter):
            quoted = "" if quoted else letter
        if letter == mark and not quoted and limit != 0:
            parts.append(current)
            current, limit = "", limit - 1
        else:
            current += letter
    if quoted:
        raise SpecError(f"a quotation mark {quoted} is never closed in {text!r}; close it")
    return [part.strip() for part in (*parts, current)]


def _unquote(text: str) -> str:
    if text[:1] in ("'", '"'):
        mark, inside = text[0], text[1:-1]
        if len(text) < 2 or text[-1] != mark or mark in inside.replace(mark * 2, ""):
            raise SpecError(f"{text} is quoted only in part; quote the whole value")
        return inside.replace(mark * 2, mark)
    return text


def _parse_operator(text: str, whole: str) -> Degradation:
    name, *rest = _split(text, ":", 1)
    if not name:
        raise SpecError(f"a degradation's name is missing in {whole!r}; expected e.g. gray or sr:4, joined by +")
    cls = find(name)
    if rest and not rest[0]:
        raise SpecError(f"{name}: nothing follows the colon; write {cls.example or name}")
    spec = cls.parameters_spec
    values = {}
    for place, part in enumerate(_split(rest[0], ",") if rest else []):
        key, *value = _split(part, "=", 1)
        if not part or (value and not value[0]):
            raise SpecError(f"{name}: {part or 'between two commas'} has no value; expected parameter=value")
        if not value:
            if place or not spec:
                known = (
                    f"expected parameter=value with {', '.join(p.name for p in spec)}" if spec else "it takes no values"
                )
                raise SpecError(f"{name}: {part} has no parameter name; {known}")
            key, value = spec[0].name, [part]
        parameter = cls.parameter(key)
        if parameter is None:
            cls_text = f"it has {', '.join(p.name for p in spec)}" if spec else "it has none"
            raise SpecError(f"{name} has no parameter {key!r}; {cls_text}")
        if key in values:
            raise SpecError(f"{name}: {key} is given twice; give it once")
        try:
            values[key] = parameter.read(_unquote(value[0]))
        except SpecError as wrong:
            raise SpecError(f"{name}: {wrong}") from None
    try:
        operator = cls(**values)
    except TypeError as error:
        raise SpecError(f"{name} cannot be made from {text!r}: {error}") from error
    except DegradationError:
        raise
    except (Exception, SystemExit) as error:  # third-party code may fail in any way
        raise PluginError(f"{name} cannot be made from {text!r}: {summarize(error)}; correct its __init__") from error
    operator.asked = text
    return operator


def parse(text: str) -> Degradation:
    """Parse spec text into an operator, or a Chain of several. Files and seeds are resolved later, by ``build``.

    Args:
        text: such as ``gray``, ``sr:4`` or ``gray+inpaint:center=1/3``.

    Raises:
        SpecError: malformed text, an unknown name or an illegal value.
        PluginError: the name belongs to a plugin that fails to import, or whose operator fails on every picture.
    """
    if not isinstance(text, str) or not text.strip():
        raise SpecError(f"got {text!r} as a degradation; expected e.g. gray, sr:4 or inpaint:center=1/3")
    if len(text) > LONGEST:
        raise SpecError(f"got a degradation of {len(text):,} characters, expected at most {LONGEST:,}; name a file")
    parts = _split(text, "+")
    if len(parts) > MOST_LINKS:
        raise SpecError(f"got a chain of {len(parts)} degradations, expected at most {MOST_LINKS}; leave some out")
    links = [_parse_operator(part, text) for part in parts]
    operator = links[0] if len(links) == 1 else Chain(links)
    operator.asked = text
    if any(map(is_foreign, links)):
        try_out(operator, *TRIED_AT, built=False)
    return operator

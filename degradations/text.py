"""Text from files and plugins, made safe for messages."""

LONGEST_LINE = 2000  # characters; of a longer text, the middle is left out


def to_one_line(text: str) -> str:
    """Return text on one line: blanks are joined, and characters that a terminal would obey or hide are escaped.

    Names of files and contents of files may hold line breaks, terminal escapes, marks that reverse the direction of
    writing, and bytes that are no text (lone surrogates). These are written as ``\\x1b``, ``\\u202e``, ``\\udc80``.
    """
    joined = " ".join(text.split())
    if not joined.isprintable():
        joined = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in joined)
    return joined if len(joined) <= LONGEST_LINE else f"{joined[: LONGEST_LINE - 505]} ... {joined[-500:]}"

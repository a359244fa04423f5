"""Tokens that are valid at once, one a line of a credential."""


def tokens_of(text: str | None) -> tuple[str, ...]:
    """The tokens of a credential, the one first that others are asked with."""
    return tuple(line.strip() for line in (text or "").splitlines() if line.strip())

"""Why a token is not taken. The reason goes to the log; the caller is told nothing of it."""


class TokenRefused(Exception):
    """The token is not good here. The message is a reason without anything of the token in it."""

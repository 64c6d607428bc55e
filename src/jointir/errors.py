"""The one error that a user's input can cause."""


class InputError(ValueError):
    """Bad input: says where it is, what was found there, and what to do about it."""

    def __init__(self, where: object, found: str, remedy: str):
        super().__init__(f"{where}: {found}. {remedy}")

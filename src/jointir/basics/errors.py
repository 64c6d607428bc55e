"""The one error that a user's input can cause."""


class InputError(ValueError):
    """Bad input: says where it is, what was found there, and what to do about it."""

    def __init__(self, where: object, found: str, remedy: str):
        super().__init__(f"{where}: {found}. {remedy}")
        self.parts = (where, found, remedy)

    def __reduce__(self) -> tuple[type, tuple]:
        """Rebuild from all three, so that a worker process can hand it to its parent."""
        return type(self), self.parts

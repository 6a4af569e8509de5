"""The two failures a user can act on, told apart by the exit status they lead to."""


class InputError(Exception):
    """Bad input. The message is one sentence: what was found, where, and what to do."""


class TrainingFailure(RuntimeError):
    """A run stopped for a reason the user can act on, such as a loss that is no longer finite."""

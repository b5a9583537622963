"""What a person did wrong, told in one sentence."""


class UserError(Exception):
    """A mistake of the caller's: one clear sentence that ends with a way out.

    The command line prints it without a traceback and exits with 2.
    """

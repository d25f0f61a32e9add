"""How the commands of chapter 6 take options: by two names, and by name answered where they do not apply."""

import argparse
import sys


def option(group, name, *others, **settings):
    """Add an option under its own name, which the help shows, and others that work too: MetaXcan's.

    Dashes can be underscores: ``--gwas-folder`` and ``--gwas_folder`` are the same.

    Parameters
    ----------
    group : argparse.ArgumentParser or group of arguments
    name : str
    *others : str
    **settings
        As of ``add_argument``.

    Returns
    -------
    argparse.Action

    Examples
    --------
    >>> parser = argparse.ArgumentParser()
    >>> shown = option(parser, "--gwas-file", "--gwas", help="a table")
    >>> [parser.parse_args([name, "a.txt"]).gwas_file for name in ("--gwas-file", "--gwas_file", "--gwas")]
    ['a.txt', 'a.txt', 'a.txt']
    """
    shown = group.add_argument(name, **settings)
    hidden = dict.fromkeys([name.replace("-", "_").replace("__", "--", 1), *others])
    hidden.pop(name, None)
    if hidden:
        silent = {"dest": shown.dest, "help": argparse.SUPPRESS, "default": argparse.SUPPRESS}
        group.add_argument(*hidden, **settings | silent)
    return shown


class Noted(argparse.Action):
    """An option of MetaXcan's that changes nothing here: the reason is said, and the run goes on."""

    def __call__(self, parser, namespace, values, option_string=None):
        """Take it down; the command says it when it runs."""
        namespace.notes = [*namespace.notes, f"{option_string} ({self.const})"]


class Refused(argparse.Action):
    """An option of MetaXcan's that would change results, and is not to be had here: the way out is said."""

    def __call__(self, parser, namespace, values, option_string=None):
        """Stop."""
        parser.error(f"{option_string} is not known here: {self.const}")


def answers(command, action, reasons):
    """Answer options by name that do not apply.

    Parameters
    ----------
    command : argparse.ArgumentParser
    action : type
        `Noted` or `Refused`.
    reasons : dict of str to str
        Of each option; a name that ends in ``=`` takes values.
    """
    for name, reason in reasons.items():
        takes = {"nargs": "*" if name.endswith("=") else 0}
        command.add_argument(
            name.rstrip("="), action=action, const=reason, dest=argparse.SUPPRESS, help=argparse.SUPPRESS, **takes
        )


def require(arguments, *names):
    """Stop, with exit status 2, where an option is missing.

    Parameters
    ----------
    arguments : argparse.Namespace
        With the command's ``parser``.
    *names : str
        Options without their dashes; of ``"plink/vcf"`` one is needed, and no more.
    """
    for name in names:
        choices = name.split("/")
        given = [choice for choice in choices if getattr(arguments, choice.replace("-", "_")) is not None]
        if len(given) != 1:
            options = " or ".join(f"--{choice}" for choice in choices)
            arguments.parser.error(f"{options} is needed" if not given else f"{options}: give one, not both")


def add_condition(command, name):
    """Add the option that says how many components of correlated predictions are kept.

    Parameters
    ----------
    command : argparse.ArgumentParser
    name : str
        What MetaXcan calls it.

    Returns
    -------
    group of arguments
    """
    help = "components are kept whose eigenvalue is at least the largest by this number (default 30)"
    method = command.add_argument_group("method")
    option(method, "--condition-number", name, type=float, default=30, metavar="K", help=help)
    return method


def say(*lines):
    """Tell what was done, beside the results: on the standard error.

    Parameters
    ----------
    *lines : str
    """
    for line in lines:
        print(line, file=sys.stderr)

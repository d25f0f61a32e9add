"""The settings of ctPred: which can be, and those that scPrediXcan was published with."""

import numpy as np

from scomics_lite.validation import InputError, did_you_mean, is_number

OUTPUTS = ("logistic", "squashed", "linear")
AS_PUBLISHED = {
    "hidden": 64,
    "blocks": 3,
    "tied": True,
    "dropout": 0.05,
    "output": "squashed",
    "learning_rate": 9e-5,
    "weight_decay": 5e-4,
    "batch_size": 1000,
    "epochs": 100,
    "patience": None,
    "validate_before": True,
    "rng": 1024,
}


def seed_of(rng):
    """Give the whole number that random numbers are made from.

    Parameters
    ----------
    rng : int or numpy.random.Generator

    Returns
    -------
    int

    Examples
    --------
    >>> seed_of(5), seed_of(np.random.default_rng(1))
    (5, 4720721261117928063)
    """
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(2**63))
    if not (is_number(rng) and rng >= 0 and rng == int(rng)):
        raise InputError(f"rng is a whole number, 0 or more, or a numpy Generator; got {rng!r}")
    return int(rng)


def check_settings(settings):
    """Refuse settings that no training can have, by name.

    Parameters
    ----------
    settings : dict

    Examples
    --------
    >>> check_settings({"output": "logistic", "dropout": 1.0})
    Traceback (most recent call last):
    scomics_lite.validation.InputError: dropout is a share of the units, 0 or more and below 1; got 1.0
    """
    for name, value in settings.items():
        if name in CHECKS and not (value is None and name == "patience"):
            known, words = CHECKS[name]
            if not known(value):
                raise InputError(f"{name} is {words}; got {value!r}")
    if settings["output"] not in OUTPUTS:
        raise InputError(f"output={settings['output']!r}: {did_you_mean(settings['output'], OUTPUTS)}")


def _is_whole(value, least=1):
    return is_number(value) and value >= least and value == int(value)


CHECKS = dict.fromkeys(("hidden", "batch_size", "epochs", "patience"), (_is_whole, "a whole number, 1 or more")) | {
    "blocks": (lambda value: _is_whole(value, 0), "a whole number, 0 or more"),
    "dropout": (lambda value: is_number(value) and 0 <= value < 1, "a share of the units, 0 or more and below 1"),
    "learning_rate": (lambda value: is_number(value) and value > 0, "above 0"),
    "weight_decay": (lambda value: is_number(value) and value >= 0, "0 or more"),
    "tied": (lambda value: isinstance(value, bool), "True or False"),
    "validate_before": (lambda value: isinstance(value, bool), "True or False"),
}

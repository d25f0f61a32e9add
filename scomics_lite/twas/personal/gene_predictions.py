"""One gene: from the features of its distinct sequences to what is predicted of everybody."""

import numpy as np
import pandas as pd

from scomics_lite.twas.sequence_models.feature_matrices import matched_features

AVERAGES = ("features", "predictions")


def predict_people(features, index, models, average="features"):
    """Predict a gene for the genome's own sequence and for everybody.

    Parameters
    ----------
    features : ndarray, shape (sequences, tracks)
        The genome's own sequence first; tracks as the model has them.
    index : ndarray of int, shape (people, 2)
        Which sequence each person's two haplotypes are.
    models : object
        With ``predict_array``.
    average : {"features", "predictions"}
        What is averaged over two haplotypes. A pair that several people have is predicted once.

    Returns
    -------
    reference : ndarray of float32, shape (cell types,)
    people : ndarray of float32, shape (people, cell types)

    Examples
    --------
    >>> class Square:
    ...     def predict_array(self, features):
    ...         return features**2
    >>> features, index = np.array([[1.0], [3.0]]), np.array([[0, 1], [1, 1]])
    >>> [numbers.tolist() for numbers in predict_people(features, index, Square())]  # 2² and 3²
    [[1.0], [[4.0], [9.0]]]
    >>> predict_people(features, index, Square(), "predictions")[1].tolist()  # (1² + 3²) / 2
    [[5.0], [9.0]]
    """
    pairs, which = np.unique(np.sort(np.vstack([[0, 0], index]), axis=1), axis=0, return_inverse=True)
    if average == "features":
        predicted = models.predict_array(features[pairs].mean(axis=1))  # (pairs, 2, tracks) is the largest array here
    else:
        predicted = models.predict_array(features)[pairs].mean(axis=1)
    predicted = np.asarray(predicted, dtype=np.float32)[which.ravel()]
    return predicted[0], predicted[1:]


def tracks_of(featuriser, models):
    """Find the tracks of a model among those of a featuriser.

    Parameters
    ----------
    featuriser, models : object
        With ``tracks``.

    Returns
    -------
    ndarray of int, shape (tracks of the model,)

    Raises
    ------
    InputError
        As `matched_features`.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> scanner = SimpleNamespace(tracks=pd.Index(["CTCF", "GATA1", "SPI1"]))
    >>> tracks_of(scanner, SimpleNamespace(tracks=pd.Index(["GATA1", "SPI1", "CTCF"]))).tolist()
    [1, 2, 0]
    """
    tracks = pd.Index(featuriser.tracks)
    numbers = pd.DataFrame(np.arange(len(tracks), dtype=np.float32)[None], columns=tracks)
    return matched_features(numbers, pd.Index(models.tracks))[0][0].astype(int)

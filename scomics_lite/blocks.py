"""Genes in blocks: the one loop over them all, which bounds the memory and can be handed to other processes.

Nothing that is computed for a gene needs another gene's counts, so the statistics are functions of a block of genes,
and `map_blocks` applies them. What applies them is a ``map``: the builtin one, or one that spreads the blocks, such as
``concurrent.futures.Executor.map`` or `client_map`. The blocks are the same either way, and so are the numbers.
"""

from collections import deque

from scipy import sparse

from scomics_lite.validation import InputError

BATCH = 4_000_000  # bytes sent to a worker together
BLOCK = 65_536  # counts worked on together: the dozen arrays of a block stay in the processor's cache


class Columns:
    """Numbers for every sample, cut with the genes for `map_blocks`: of each gene, or the same for all.

    Parameters
    ----------
    values : ndarray, shape (n, g) or (n,)

    Examples
    --------
    >>> import numpy as np
    >>> shared, own = Columns(np.array([0.5, 2.0])), Columns(np.array([[0.5, 0.6, 0.7], [2.0, 3.0, 4.0]]))
    >>> shared[[0, 2]]
    array([[0.5],
           [2. ]])
    >>> own[[0, 2]]
    array([[0.5, 0.7],
           [2. , 4. ]])
    """

    def __init__(self, values):
        self.values = values if values.ndim == 2 else values[:, None]
        self.shared = values.ndim == 1

    def __getitem__(self, genes):
        return self.values if self.shared else self.values[:, genes]


def gene_blocks(matrix, genes, p=0, *, block=None):
    """Yield some of the genes after the other, with their counts as dense floats.

    Parameters
    ----------
    matrix : ndarray or scipy.sparse.csr_array, shape (n, g)
    genes : ndarray of int
        Positions of the genes wanted.
    p : int
        Number of coefficients, where every gene gets matrices of (p, p) too.
    block : int, optional
        Counts worked on together, `BLOCK` when not given; fewer where very many arrays have to stay in the cache.

    Yields
    ------
    genes : ndarray of int, shape (b,)
    counts : ndarray, shape (n, b)

    Examples
    --------
    >>> import numpy as np
    >>> [len(genes) for genes, _ in gene_blocks(np.ones((2, 70_000)), np.arange(70_000))]
    [32768, 32768, 4464]
    """
    columns = matrix.tocsc() if sparse.issparse(matrix) else matrix
    for some in _cut(genes, max(matrix.shape[0], p**2), block):
        counts = columns[:, some]
        yield some, (counts.toarray() if sparse.issparse(counts) else counts).astype(float)


def map_blocks(function, matrix, genes, *arrays, p=0, map=map, block=None):
    """Apply a function to block after block of genes.

    Parameters
    ----------
    function : callable
        Takes the counts of a block, shape (n, b), and its part of every one of `arrays`. To travel to another process
        it is a function of a module, or a ``functools.partial`` of one.
    matrix, genes, p, block
        As for `gene_blocks`.
    *arrays : ndarray, shape (g, …), or Columns
        What else the function needs of each gene.
    map : callable
        As the builtin one: takes the function and iterables, gives the results in order.

    Yields
    ------
    genes : ndarray of int, shape (b,)
    result
        What the function returned.

    Examples
    --------
    >>> import numpy as np
    >>> def scaled_total(counts, scale):
    ...     return counts.sum(axis=0) * scale
    >>> counts, scale = np.array([[1, 2, 3], [4, 5, 6]]), np.array([1, 10, 100])
    >>> for genes, total in map_blocks(scaled_total, counts, np.array([0, 2]), scale):
    ...     print(genes, total)
    [0 2] [  5. 900.]
    """
    blocks = list(_cut(genes, max(matrix.shape[0], p**2), block))
    counts = (counts for _, counts in gene_blocks(matrix, genes, p, block=block))
    yield from zip(blocks, map(function, counts, *(_parts(array, blocks) for array in arrays)), strict=True)


def client_map(client, *, batch=None):
    """Give a ``map`` whose calls run on the workers of a Dask client.

    Blocks travel a few together, because every task costs some hundredths of a second, and twice as many tasks as there
    are threads are under way at a time: no worker waits, and the memory stays bounded however many blocks there are.

    Parameters
    ----------
    client : dask.distributed.Client
        Connected, and not asynchronous; its workers can import scomics_lite. On Linux, Dask tells its workers to give
        memory back to the system at once, and numpy then spends most of its time asking for it again. Before the client
        is made: ``os.environ.update(MALLOC_TRIM_THRESHOLD_="268435456", MALLOC_MMAP_THRESHOLD_="33554432")``.
    batch : int, optional
        Bytes that travel together, `BATCH` when not given; 0 for blocks that take seconds each, which travel alone.

    Returns
    -------
    callable

    Examples
    --------
    >>> client_map("tcp://127.0.0.1:8786")
    Traceback (most recent call last):
    scomics_lite.validation.InputError: client must be a dask.distributed.Client, got str. \
Make one: dask.distributed.Client(n_workers=2)
    """
    if not (hasattr(client, "submit") and hasattr(client, "nthreads")):
        raise InputError(
            f"client must be a dask.distributed.Client, got {type(client).__name__}. "
            "Make one: dask.distributed.Client(n_workers=2)"
        )
    if client.asynchronous:
        raise InputError("the client is asynchronous; make one that waits for results: Client(asynchronous=False)")

    def spread(function, *iterables):
        most = 2 * max(1, sum(client.nthreads().values()))
        waiting = deque()
        for blocks in _batches(zip(*iterables, strict=True), BATCH if batch is None else batch):
            if len(waiting) == most:
                yield from waiting.popleft().result()
            waiting.append(client.submit(_apply, function, blocks, pure=False))
        while waiting:
            yield from waiting.popleft().result()

    return spread


def _batches(blocks, size):
    """Collect blocks until they weigh enough for a task."""
    batch, weight = [], 0
    for block in blocks:
        batch.append(block)
        weight += sum(getattr(part, "nbytes", 0) for part in block)
        if weight >= size:
            yield batch
            batch, weight = [], 0
    if batch:
        yield batch


def _apply(function, batch):
    return [function(*block) for block in batch]


def _cut(genes, numbers, block):
    """Cut the genes so that blocks with so many numbers for each gene are no larger than `block`."""
    size = max(1, (BLOCK if block is None else block) // numbers)
    yield from (genes[first : first + size] for first in range(0, len(genes), size))


def _parts(array, blocks):
    return (array[block] for block in blocks)

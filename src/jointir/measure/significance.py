"""How sure a difference is: bootstrap intervals, a paired t-test, Holm's correction."""

import numpy as np

CHUNK = 64  # resamples drawn at a time: bounds the memory to CHUNK * Q


def bootstrap_interval(
    values: np.ndarray, samples: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the 95% percentile interval of the mean over queries.

    The same seed, samples and Q resample the same queries, so that systems stay comparable. A
    system's interval is the same to the last bit whichever systems are given with it.

    Args:
        values: (Q,), or (Q, S) for S systems at once.
        samples: how many times Q queries are drawn with replacement.
        seed: of the generator.

    Returns:
        low, high: scalars, or (S,).

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 13.3.
    """
    values = np.asarray(values, dtype=np.float64)
    columns = np.atleast_2d(np.ascontiguousarray(values.T))  # (S, Q)
    Q = len(values)
    rng = np.random.default_rng(seed)
    means = []
    for start in range(0, samples, CHUNK):
        rows = min(CHUNK, samples - start)
        drawn = rng.integers(0, Q, size=(rows, Q)) + Q * np.arange(rows)[:, None]  # (rows, Q)
        # how often each query was drawn: a product with counts is faster than gathering values
        counts = np.bincount(drawn.ravel(), minlength=rows * Q).reshape(rows, Q)
        weights = counts.astype(np.float64)
        # one by one: BLAS sums a product with all columns in another order for other S
        means.append(np.stack([weights @ column for column in columns], axis=1) / Q)  # (rows, S)
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5], axis=0)
    return (low, high) if values.ndim > 1 else (low[0], high[0])


def means(values: np.ndarray) -> np.ndarray:
    """Return the mean over queries (S,) of values (Q, S), each the same whatever S is.

    NumPy sums the columns of a matrix in another order than those of one column.
    """
    return np.array([np.ascontiguousarray(column).mean() for column in values.T])


def holm(p: np.ndarray) -> np.ndarray:
    """Return Holm's adjusted p values (m,), in the order given.

    Source: Holm, A simple sequentially rejective multiple test procedure (1979).
    """
    p = np.asarray(p, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    factors = np.arange(len(p), 0, -1)  # m, m-1, ..., 1
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return adjusted


def paired_p(a: np.ndarray, b: np.ndarray) -> float:
    """Return the two-tailed p value of a paired t-test of a (Q,) against b (Q,).

    Equal arrays, and a single query, give 1: they are no evidence of a difference.
    """
    from scipy.stats import ttest_rel

    if len(a) < 2 or np.array_equal(a, b):
        return 1.0
    return float(ttest_rel(a, b).pvalue)

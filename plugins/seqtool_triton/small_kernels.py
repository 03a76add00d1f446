"""The forward and backward kernels: one program per row, all target steps in a loop, the recurrent state in registers.

Sizes padded to powers of two end in `_P`. Padded entries of weights, keys and values are loaded as zeros, so that
padded entries of all vectors remain zero. `small_loop.py` computes the products outside the recurrence. A step loads
what it reads at its beginning, where the loads do not wait for results.
"""

import triton
import triton.language as tl

LARGEST_SCORE = tl.constexpr(60.0)
LARGEST_EXPONENT = tl.constexpr(15.0)
SMALLEST_SIGMA = tl.constexpr(1e-3)
HALF_LOG_2_PI = tl.constexpr(0.9189385332046727)
LOWEST = tl.constexpr(-1e30)


@triton.jit
def tanh(x):
    square = x * x
    near = x * (1 + square * (-1 / 3 + square * (2 / 15 + square * (-17 / 315 + square * (62 / 2835)))))
    shrunk = tl.exp(-2 * tl.abs(x))
    far = (1 - shrunk) / (1 + shrunk)
    return tl.where(square < 0.09, near, tl.where(x < 0, -far, far))


@triton.jit
def sigmoid(x):
    shrunk = tl.exp(-tl.abs(x))
    return tl.where(x < 0, shrunk, 1.0) / (1 + shrunk)


@triton.jit
def softplus(x):
    return tl.maximum(x, 0.0) + tl.log(1 + tl.exp(-tl.abs(x)))


@triton.jit
def vector(start, i, size):
    return tl.load(start + i, mask=i < size, other=0.0)


@triton.jit
def put(start, i, size, x):
    tl.store(start + i, x, mask=i < size)


@triton.jit
def matrix(start, stride, i, rows, j, columns):
    return tl.load(
        start + i[:, None] * stride + j[None, :], mask=(i[:, None] < rows) & (j[None, :] < columns), other=0.0
    )


@triton.jit
def times(w, x):
    """W x."""
    return tl.sum(w * x[None, :], 1)


@triton.jit
def transposed_times(w, y):
    """W^T y."""
    return tl.sum(w * y[:, None], 0)


@triton.jit
def window(w, d, b, k, K: tl.constexpr, VARIANT: tl.constexpr):
    """`(w^, d^, b^)` -> `(log (w / Z), delta, sigma before clamping, beta)`, each `[K_P]`; see scorer/gmm."""
    real = k < K
    if VARIANT == 0:
        log_weight = w
        delta = tl.exp(tl.minimum(d, LARGEST_EXPONENT))
        sigma = w
        beta = tl.exp(tl.minimum(b, LARGEST_EXPONENT))
    else:
        if VARIANT == 1:
            delta = tl.exp(tl.minimum(d, LARGEST_EXPONENT))
            sigma = tl.exp(tl.minimum(b, LARGEST_EXPONENT) / 2)
        else:
            delta = softplus(d)
            sigma = softplus(b)
        bounded = tl.maximum(sigma, SMALLEST_SIGMA)
        w = tl.where(real, w, LOWEST)
        highest = tl.max(w, 0)
        total = tl.sum(tl.exp(w - highest), 0)
        log_weight = w - highest - tl.log(total) - tl.log(bounded) - HALF_LOG_2_PI
        beta = 0.5 / (bounded * bounded)
    return tl.where(real, log_weight, LOWEST), tl.where(real, delta, 0.0), sigma, tl.where(real, beta, 0.0)


@triton.jit
def window_backward(w, d, b, of_log_weight, of_delta, of_beta, k, K: tl.constexpr, VARIANT: tl.constexpr):
    """Gradients of `(w^, d^, b^)`."""
    log_weight, delta, sigma, beta = window(w, d, b, k, K, VARIANT)
    if VARIANT == 2:
        of_d = of_delta * sigmoid(d)
    else:
        of_d = tl.where(d <= LARGEST_EXPONENT, of_delta * delta, 0.0)
    if VARIANT == 0:
        of_w = of_log_weight
        of_b = tl.where(b <= LARGEST_EXPONENT, of_beta * beta, 0.0)
    else:
        bounded = tl.maximum(sigma, SMALLEST_SIGMA)
        share = tl.where(k < K, tl.exp(log_weight + tl.log(bounded) + HALF_LOG_2_PI), 0.0)
        of_w = of_log_weight - share * tl.sum(of_log_weight, 0)
        of_sigma = -(of_log_weight + 2 * beta * of_beta) / bounded
        of_sigma = tl.where(sigma >= SMALLEST_SIGMA, of_sigma, 0.0)
        if VARIANT == 1:
            of_b = tl.where(b <= LARGEST_EXPONENT, of_sigma * sigma / 2, 0.0)
        else:
            of_b = of_sigma * sigmoid(b)
    return of_w, of_d, of_b


@triton.jit
def mixture(log_weight, beta, mean, position):
    """Distances `[K_P, S_P]`, terms `[K_P, S_P]` relative to the scores, scores `[S_P]`."""
    distance = (position[None, :] - mean[:, None]).to(tl.float32)
    terms = log_weight[:, None] - beta[:, None] * distance * distance
    highest = tl.max(terms, 0)
    scores = highest + tl.log(tl.sum(tl.exp(terms - highest[None, :]), 0))
    return distance, tl.exp(terms - scores[None, :]), scores


@triton.jit
def normalized(scores, real, SOFTMAX: tl.constexpr):
    if SOFTMAX:
        scores = tl.where(real, scores, LOWEST)
        powers = tl.where(real, tl.exp(scores - tl.max(scores, 0)), 0.0)
        weights = powers / tl.maximum(tl.sum(powers, 0), 1e-30)
    else:
        weights = tl.where(real, tl.exp(tl.minimum(scores, LARGEST_SCORE)), 0.0)
    return weights


@triton.jit
def gate_matrices(start, stride, h, H: tl.constexpr, j, columns, GRU: tl.constexpr):
    """The rows of each gate; the fourth is unused for a GRU."""
    w0 = matrix(start, stride, h, H, j, columns)
    w1 = matrix(start + H * stride, stride, h, H, j, columns)
    w2 = matrix(start + 2 * H * stride, stride, h, H, j, columns)
    w3 = w2
    if not GRU:
        w3 = matrix(start + 3 * H * stride, stride, h, H, j, columns)
    return w0, w1, w2, w3


@triton.jit
def four(start, at, i, size):
    """The four vectors of a cell's step; see `cell`."""
    start += at * 4 * size
    return (
        vector(start, i, size),
        vector(start + size, i, size),
        vector(start + 2 * size, i, size),
        vector(start + 3 * size, i, size),
    )


@triton.jit
def put_four(start, at, i, size, x):
    start += at * 4 * size
    put(start, i, size, x[0])
    put(start + size, i, size, x[1])
    put(start + 2 * size, i, size, x[2])
    put(start + 3 * size, i, size, x[3])


@triton.jit
def three(start, at, i, size):
    """The three vectors of a window; see `window`."""
    start += at * 3 * size
    return vector(start, i, size), vector(start + size, i, size), vector(start + 2 * size, i, size)


@triton.jit
def put_three(start, at, i, size, x):
    start += at * 3 * size
    put(start, i, size, x[0])
    put(start + size, i, size, x[1])
    put(start + 2 * size, i, size, x[2])


@triton.jit
def cell(x, u, w, seen, h, c, GRU: tl.constexpr):
    """One step -> `(gates, h, c)`. LSTM: i, f, g, o. GRU: r, z, n, and the part of n from h, before the reset gate."""
    g0 = sigmoid(x[0] + times(u[0], seen) + times(w[0], h))
    g1 = sigmoid(x[1] + times(u[1], seen) + times(w[1], h))
    if GRU:
        g3 = x[3] + times(w[2], h)
        g2 = tanh(x[2] + times(u[2], seen) + g0 * g3)
        h = g2 + g1 * (h - g2)
    else:
        g2 = tanh(x[2] + times(u[2], seen) + times(w[2], h))
        g3 = sigmoid(x[3] + times(u[3], seen) + times(w[3], h))
        c = g1 * c + g0 * g2
        h = g3 * tanh(c)
    return (g0, g1, g2, g3), h, c


@triton.jit
def cell_backward(gates, u, w, h, c, new_c, of_h, of_c, GRU: tl.constexpr):
    """Gradients of `(sums, seen, h, c)`, the last two of the state before the step."""
    g0, g1, g2, g3 = gates
    if GRU:
        of_2 = of_h * (1 - g1) * (1 - g2 * g2)
        of_0 = of_2 * g3 * g0 * (1 - g0)
        of_1 = of_h * (h - g2) * g1 * (1 - g1)
        of_3 = of_2 * g0
        of_seen = transposed_times(u[0], of_0) + transposed_times(u[1], of_1) + transposed_times(u[2], of_2)
        of_h = of_h * g1
        of_h += transposed_times(w[0], of_0) + transposed_times(w[1], of_1) + transposed_times(w[2], of_3)
    else:
        squashed = tanh(new_c)
        of_c += of_h * g3 * (1 - squashed * squashed)
        of_0 = of_c * g2 * g0 * (1 - g0)
        of_1 = of_c * c * g1 * (1 - g1)
        of_2 = of_c * g0 * (1 - g2 * g2)
        of_3 = of_h * squashed * g3 * (1 - g3)
        of_c = of_c * g1
        of_seen = transposed_times(u[0], of_0) + transposed_times(u[1], of_1)
        of_seen += transposed_times(u[2], of_2) + transposed_times(u[3], of_3)
        of_h = transposed_times(w[0], of_0) + transposed_times(w[1], of_1)
        of_h += transposed_times(w[2], of_2) + transposed_times(w[3], of_3)
    return (of_0, of_1, of_2, of_3), of_seen, of_h, of_c


@triton.jit(do_not_specialize=["T", "S"])
def attend_forward(
    x, asked, values, keys, mask, first_h, first_c, first_fed, first_mean,
    weight_hh, weight_seen, seen_stride, weight_query, query_stride, score_vector, combine, scale,
    hs, cs, gates, queries, means, contexts, weights, features, last_h, last_c, last_mean, T, S,
    GMM: tl.constexpr, ADDITIVE: tl.constexpr, GRU: tl.constexpr, SOFTMAX: tl.constexpr, VARIANT: tl.constexpr,
    AFTER: tl.constexpr, H: tl.constexpr, N: tl.constexpr, M: tl.constexpr, P: tl.constexpr, K: tl.constexpr,
    H_P: tl.constexpr, N_P: tl.constexpr, M_P: tl.constexpr, P_P: tl.constexpr, K_P: tl.constexpr, S_P: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    h_at, n_at, m_at, s_at = tl.arange(0, H_P), tl.arange(0, N_P), tl.arange(0, M_P), tl.arange(0, S_P)
    w = gate_matrices(weight_hh, H, h_at, H, h_at, H, GRU)
    u = gate_matrices(weight_seen, seen_stride, h_at, H, n_at, N, GRU)
    if AFTER:
        combine_context = matrix(combine, M + H, n_at, N, m_at, M)
        combine_h = matrix(combine + M, M + H, n_at, N, h_at, H)
        seen = vector(first_fed + row * N, n_at, N)
    if GMM:
        k_at = tl.arange(0, K_P)
        q0 = matrix(weight_query, query_stride, k_at, K, h_at, H)
        q1 = matrix(weight_query + K * query_stride, query_stride, k_at, K, h_at, H)
        q2 = matrix(weight_query + 2 * K * query_stride, query_stride, k_at, K, h_at, H)
        position = (s_at + 1).to(tl.float64)
        mean = vector(first_mean + row * K, k_at, K).to(tl.float64)
    else:
        p_at = tl.arange(0, P_P)
        key = matrix(keys + row * S * P, P, s_at, S, p_at, P)
        if ADDITIVE:
            q = matrix(weight_query, query_stride, p_at, P, h_at, H)
            v = vector(score_vector, p_at, P)
    value = matrix(values + row * S * M, M, s_at, S, m_at, M)
    real = tl.load(mask + row * S + s_at, mask=s_at < S, other=0) != 0
    h = vector(first_h + row * H, h_at, H)
    c = h
    if not GRU:
        c = vector(first_c + row * H, h_at, H)
    t = 0
    while t < T:
        at = row * T + t
        fed = four(x, at, h_at, H)
        if GMM:
            given = three(asked, at, k_at, K)
        elif asked is not None:
            given = vector(asked + at * P, p_at, P)
        if AFTER:
            g, h, c = cell(fed, u, w, seen, h, c, GRU)
        if GMM:
            query = (given[0] + times(q0, h), given[1] + times(q1, h), given[2] + times(q2, h))
            put_three(queries, at, k_at, K, query)
            log_weight, delta, _, beta = window(query[0], query[1], query[2], k_at, K, VARIANT)
            mean += delta.to(tl.float64)
            put(means + at * K, k_at, K, mean)
            _, _, scores = mixture(log_weight, beta, mean, position)
        else:
            if ADDITIVE:
                query = times(q, h)
                if asked is not None:
                    query += given
                scores = tl.sum(v[None, :] * tanh(query[None, :] + key), 1)
            else:
                query = h * scale
                scores = tl.sum(query[None, :] * key, 1)
            put(queries + at * P, p_at, P, query)
        a = normalized(scores, real, SOFTMAX)
        context = transposed_times(value, a)
        put(weights + at * S, s_at, S, a)
        put(contexts + at * M, m_at, M, context)
        if AFTER:
            seen = tanh(times(combine_context, context) + times(combine_h, h))
            put(features + at * N, n_at, N, seen)
        else:
            g, h, c = cell(fed, u, w, context, h, c, GRU)
        put(hs + at * H, h_at, H, h)
        put_four(gates, at, h_at, H, g)
        if not GRU:
            put(cs + at * H, h_at, H, c)
        t += 1
    put(last_h + row * H, h_at, H, h)
    if not GRU:
        put(last_c + row * H, h_at, H, c)
    if GMM:
        put(last_mean + row * K, k_at, K, mean.to(tl.float32))


@triton.jit(do_not_specialize=["T", "S"])
def attend_backward(
    values, keys, first_h, first_c, weight_hh, weight_seen, seen_stride, weight_query, query_stride, score_vector,
    combine, scale, hs, cs, gates, queries, means, weights, features,
    of_hs, of_contexts, of_weights, of_features, of_last_h, of_last_c, of_last_mean, of_last_fed,
    of_sums, of_queries, of_all_contexts, of_scores, of_keys, of_vectors, of_joined,
    of_first_h, of_first_c, of_first_mean, of_first_fed, T, S,
    GMM: tl.constexpr, ADDITIVE: tl.constexpr, GRU: tl.constexpr, SOFTMAX: tl.constexpr, VARIANT: tl.constexpr,
    AFTER: tl.constexpr, H: tl.constexpr, N: tl.constexpr, M: tl.constexpr, P: tl.constexpr, K: tl.constexpr,
    H_P: tl.constexpr, N_P: tl.constexpr, M_P: tl.constexpr, P_P: tl.constexpr, K_P: tl.constexpr, S_P: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    h_at, n_at, m_at, s_at = tl.arange(0, H_P), tl.arange(0, N_P), tl.arange(0, M_P), tl.arange(0, S_P)
    w = gate_matrices(weight_hh, H, h_at, H, h_at, H, GRU)
    u = gate_matrices(weight_seen, seen_stride, h_at, H, n_at, N, GRU)
    if AFTER:
        combine_context = matrix(combine, M + H, n_at, N, m_at, M)
        combine_h = matrix(combine + M, M + H, n_at, N, h_at, H)
        of_seen = tl.zeros([N_P], tl.float32)
        if of_last_fed is not None:
            of_seen += vector(of_last_fed + row * N, n_at, N)
    if GMM:
        k_at = tl.arange(0, K_P)
        q0 = matrix(weight_query, query_stride, k_at, K, h_at, H)
        q1 = matrix(weight_query + K * query_stride, query_stride, k_at, K, h_at, H)
        q2 = matrix(weight_query + 2 * K * query_stride, query_stride, k_at, K, h_at, H)
        position = (s_at + 1).to(tl.float64)
        of_mean = tl.zeros([K_P], tl.float32)
        if of_last_mean is not None:
            of_mean += vector(of_last_mean + row * K, k_at, K)
    else:
        p_at = tl.arange(0, P_P)
        key = matrix(keys + row * S * P, P, s_at, S, p_at, P)
        if ADDITIVE:
            q = matrix(weight_query, query_stride, p_at, P, h_at, H)
            v = vector(score_vector, p_at, P)
            of_key = tl.zeros([S_P, P_P], tl.float32)
            of_vector = tl.zeros([P_P], tl.float32)
    value = matrix(values + row * S * M, M, s_at, S, m_at, M)
    start_h = vector(first_h + row * H, h_at, H)
    of_h = tl.zeros([H_P], tl.float32)
    if of_last_h is not None:
        of_h += vector(of_last_h + row * H, h_at, H)
    of_c, new_c, c = of_h, of_h, of_h
    if not GRU:
        start_c = vector(first_c + row * H, h_at, H)
        of_c = tl.zeros([H_P], tl.float32)
        if of_last_c is not None:
            of_c += vector(of_last_c + row * H, h_at, H)
    t = T
    while t > 0:
        t -= 1
        at = row * T + t
        g = four(gates, at, h_at, H)
        a = vector(weights + at * S, s_at, S)
        if GMM:
            query = three(queries, at, k_at, K)
            mean = tl.load(means + at * K + k_at, mask=k_at < K, other=0.0)
        elif ADDITIVE:
            query = vector(queries + at * P, p_at, P)
        h = tl.where(t > 0, vector(hs + (at - 1) * H, h_at, H * (t > 0)), start_h)
        if not GRU:
            new_c = vector(cs + at * H, h_at, H)
            c = tl.where(t > 0, vector(cs + (at - 1) * H, h_at, H * (t > 0)), start_c)
        if of_hs is not None:
            of_h += vector(of_hs + at * H, h_at, H)
        if AFTER:
            feature = vector(features + at * N, n_at, N)
            if of_features is not None:
                of_seen += vector(of_features + at * N, n_at, N)
            of_seen = of_seen * (1 - feature * feature)
            put(of_joined + at * N, n_at, N, of_seen)
            of_context = transposed_times(combine_context, of_seen)
            of_h += transposed_times(combine_h, of_seen)
        else:
            of_g, of_context, of_h, of_c = cell_backward(g, u, w, h, c, new_c, of_h, of_c, GRU)
            if of_contexts is not None:
                of_context += vector(of_contexts + at * M, m_at, M)
        put(of_all_contexts + at * M, m_at, M, of_context)
        of_a = tl.sum(value * of_context[None, :], 1)
        if of_weights is not None:
            of_a += vector(of_weights + at * S, s_at, S)
        of_score = a * of_a
        if SOFTMAX:
            of_score -= a * tl.sum(of_score, 0)
        if GMM:
            log_weight, _, _, beta = window(query[0], query[1], query[2], k_at, K, VARIANT)
            distance, share, scores = mixture(log_weight, beta, mean, position)
            if not SOFTMAX:
                of_score = tl.where(scores <= LARGEST_SCORE, of_score, 0.0)
            share = share * of_score[None, :]
            of_beta = -tl.sum(share * distance * distance, 1)
            of_mean += 2 * beta * tl.sum(share * distance, 1)
            of_query = window_backward(
                query[0], query[1], query[2], tl.sum(share, 1), of_mean, of_beta, k_at, K, VARIANT
            )
            put_three(of_queries, at, k_at, K, of_query)
            of_h += transposed_times(q0, of_query[0]) + transposed_times(q1, of_query[1])
            of_h += transposed_times(q2, of_query[2])
        elif ADDITIVE:
            compared = tanh(query[None, :] + key)
            of_vector += tl.sum(of_score[:, None] * compared, 0)
            of_compared = of_score[:, None] * v[None, :] * (1 - compared * compared)
            of_key += of_compared
            of_query = tl.sum(of_compared, 0)
            put(of_queries + at * P, p_at, P, of_query)
            of_h += transposed_times(q, of_query)
        else:
            put(of_scores + at * S, s_at, S, of_score)
            of_h += scale * tl.sum(of_score[:, None] * key, 0)
        if AFTER:
            of_g, of_seen, of_h, of_c = cell_backward(g, u, w, h, c, new_c, of_h, of_c, GRU)
        put_four(of_sums, at, h_at, H, of_g)
    put(of_first_h + row * H, h_at, H, of_h)
    if not GRU:
        put(of_first_c + row * H, h_at, H, of_c)
    if AFTER:
        put(of_first_fed + row * N, n_at, N, of_seen)
    if GMM:
        put(of_first_mean + row * K, k_at, K, of_mean)
    if ADDITIVE:
        tl.store(
            of_keys + row * S * P + s_at[:, None] * P + p_at[None, :],
            of_key,
            mask=(s_at[:, None] < S) & (p_at[None, :] < P),
        )
        put(of_vectors + row * P, p_at, P, of_vector)

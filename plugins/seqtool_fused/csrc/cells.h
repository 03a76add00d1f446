/* One step of one row of a cell, from its gates' sums on. */
#ifndef SEQTOOL_CELLS_H
#define SEQTOOL_CELLS_H

#include "wide.h"

/* gates [4 H]: in the sums for i, f, g, o, out what becomes of them. */
static inline void lstm_forward(int H, float *gates, const float *c, float *new_h, float *new_c) {
    for (int j = 0; j < H; j += LANES) {
        int n = H - j;
        float *at = gates + j;
        wide i = wide_sigmoid(load_some(at, n)), f = wide_sigmoid(load_some(at + H, n));
        wide g = sharp_tanh(load_some(at + 2 * H, n)), o = wide_sigmoid(load_some(at + 3 * H, n));
        wide after = f * load_some(c + j, n) + i * g;
        store_some(at, i, n), store_some(at + H, f, n), store_some(at + 2 * H, g, n), store_some(at + 3 * H, o, n);
        store_some(new_c + j, after, n);
        store_some(new_h + j, o * sharp_tanh(after), n);
    }
}

/* of_h, of_c: in the new state's gradients, out what of the old one's does not come through the gates. */
static inline void lstm_backward(
    int H, const float *gates, const float *c, const float *new_c, float *of_h, float *of_c, float *of_gates) {
    for (int j = 0; j < H; j += LANES) {
        int n = H - j;
        const float *at = gates + j;
        float *to = of_gates + j;
        wide i = load_some(at, n), f = load_some(at + H, n), g = load_some(at + 2 * H, n);
        wide o = load_some(at + 3 * H, n), squashed = sharp_tanh(load_some(new_c + j, n)), of = load_some(of_h + j, n);
        wide of_cell = load_some(of_c + j, n) + of * o * (1.0f - squashed * squashed);
        store_some(to, of_cell * g * i * (1.0f - i), n);
        store_some(to + H, of_cell * load_some(c + j, n) * f * (1.0f - f), n);
        store_some(to + 2 * H, of_cell * i * (1.0f - g * g), n);
        store_some(to + 3 * H, of * squashed * o * (1.0f - o), n);
        store_some(of_c + j, of_cell * f, n);
        store_some(of_h + j, (wide){0}, n);
    }
}

/* gates [4 H]: in U_n h + b, the sums for r and z, W_n x + b; out the first as it was, r, z, n. */
static inline void gru_forward(int H, float *gates, const float *h, float *new_h) {
    for (int j = 0; j < H; j += LANES) {
        int n = H - j;
        float *at = gates + j;
        wide r = wide_sigmoid(load_some(at + H, n)), z = wide_sigmoid(load_some(at + 2 * H, n));
        wide new = sharp_tanh(load_some(at + 3 * H, n) + r * load_some(at, n));
        store_some(at + H, r, n), store_some(at + 2 * H, z, n), store_some(at + 3 * H, new, n);
        store_some(new_h + j, new + z * (load_some(h + j, n) - new), n);
    }
}

/* See `lstm_backward`; of_gates in the order of gates. */
static inline void gru_backward(int H, const float *gates, const float *h, float *of_h, float *of_gates) {
    for (int j = 0; j < H; j += LANES) {
        int n = H - j;
        const float *at = gates + j;
        float *to = of_gates + j;
        wide remembered = load_some(at, n), r = load_some(at + H, n), z = load_some(at + 2 * H, n);
        wide new = load_some(at + 3 * H, n), of = load_some(of_h + j, n);
        wide of_new = of * (1.0f - z) * (1.0f - new * new);
        store_some(to, of_new * r, n);
        store_some(to + H, of_new * remembered * r * (1.0f - r), n);
        store_some(to + 2 * H, of * (load_some(h + j, n) - new) * z * (1.0f - z), n);
        store_some(to + 3 * H, of_new, n);
        store_some(of_h + j, of * z, n);
    }
}

#endif

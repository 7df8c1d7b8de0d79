#!/usr/bin/env python3
"""Fits the polynomials of src/ops/cpu/vector_math-inl.h and prints them with their errors.

Minimax by Lawson's iteration (reweighted least squares) on Chebyshev nodes; exact values by mpmath.
Recorded with Python 3.11.7, numpy 2.4.6, mpmath 1.3.0.
"""
import mpmath as mp
import numpy as np

mp.mp.dps = 40


def minimax(function, weight, low, high, degree, nodes):
    """Coefficients, lowest first, minimising max |weight (p - function)| on [low, high]; and that error."""
    angles = (np.arange(nodes) + 0.5) * np.pi / nodes
    x = (low + high) / 2 - (high - low) / 2 * np.cos(angles)
    y = np.array([float(function(mp.mpf(v))) for v in x])
    w = np.array([float(weight(mp.mpf(v))) for v in x])
    t = (x - low) * 2 / (high - low) - 1
    basis = np.stack([np.polynomial.chebyshev.Chebyshev.basis(i)(t) for i in range(degree + 1)], 1)
    lawson = np.ones(nodes) / nodes
    for _ in range(300):
        scale = np.sqrt(lawson) * w
        fit, *_ = np.linalg.lstsq(basis * scale[:, None], y * scale, rcond=None)
        error = np.abs(basis @ fit - y) * w
        lawson = lawson * error
        lawson /= lawson.sum()
    series = np.polynomial.chebyshev.Chebyshev(fit, [low, high])
    return series.convert(kind=np.polynomial.Polynomial).coef, error.max()


def report(name, fit):
    coefficients, error = fit
    print(f"{name}: error {error:.2g}")
    for coefficient in coefficients:
        print(f"  {np.float32(coefficient):.9g}f")


def exp_remainder(r):
    return (mp.exp(r) - 1 - r) / r**2 if abs(r) > 1e-12 else mp.mpf(1) / 2


def exp2_remainder(r):
    return (mp.power(2, r) - 1) / r if abs(r) > 1e-12 else mp.log(2)


def tanh_remainder(u):
    return (mp.tanh(mp.sqrt(u)) / mp.sqrt(u) - 1) / u if u > 1e-10 else mp.mpf(-1) / 3


def normal_tail(a):
    return mp.erfc(a / mp.sqrt(2)) / 2


def gelu_exponent(a):
    """G with normal_tail(a) = 2^-(1 + a G(a))."""
    if a < 1e-9:
        return mp.sqrt(2 / mp.pi) / mp.log(2)
    return -mp.log(2 * normal_tail(a), 2) / a


def gelu_weight(a):
    """What an error of G does to GELU, relative to |x|; the tail keeps some of its own precision."""
    return a * mp.log(2) * max(normal_tail(a) * max(1, a), mp.mpf("3e-4"))


half = float(mp.log(2) / 2) * 1.001
report("exp: P", minimax(exp_remainder, lambda r: r**2 / mp.exp(r), -half, half, 4, 4000))
report("exp2", minimax(exp2_remainder, lambda r: abs(r) / mp.power(2, r), -0.5005, 0.5005, 5, 4000))
report("tanh: P(x^2)", minimax(tanh_remainder, lambda u: u, 1e-9, 0.625**2, 4, 4000))
report("GELU: G", minimax(gelu_exponent, gelu_weight, 0, 7, 9, 1500))
report("exp2 coarse", minimax(lambda r: mp.power(2, r), lambda r: 1 / mp.power(2, r), 0, 1, 3, 1000))
report("GELU coarse: G", minimax(gelu_exponent, lambda a: a * mp.log(2), 0, 5, 4, 1500))
report("GELU of bytes: Phi(-a)", minimax(normal_tail, lambda a: a, 0, 4, 6, 1500))

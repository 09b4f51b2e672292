"""The exponential function with the same bits on every processor: what the drawn scenes' sizes rest on.

NumPy takes another `exp` where the processor has AVX-512. Its last bit turns decisions, such as whether a box
lies wholly in another, and with them one picture in twenty. What is here uses single operations only, each
rounded as IEEE 754 says, and gives the bits that the recorded pictures were drawn with: NumPy 2's on x86-64
with AVX-512.
"""
from decimal import Decimal, localcontext
from math import floor, fsum, ldexp

SPLIT = 134217729.0                                 # 2**27 + 1 cuts a double in two halves of 26 bits
# exp(r) = 1 + r (1 + r/2 + ...) for 0 <= r < ln(2) / 16: the powers' weights, fitted to that range
POWERS = tuple(map(float.fromhex, ("0x1.fffffffffff70p-1", "0x1.000000000d008p-1", "0x1.5555553939732p-3",
                                   "0x1.55557242d68fep-5", "0x1.1101cbbc265c0p-7", "0x1.7411836940c04p-10")))


def _constants() -> tuple[list[float], list[float], float, float, float]:
    """2**(j/16) and what its rounding left off, relatively; ln 2 in two parts; 16 / ln 2."""
    with localcontext(prec=60):
        powers, log = [Decimal(2) ** (Decimal(j) / 16) for j in range(16)], Decimal(2).ln()
        rest = [float(power / Decimal(float(power)) - 1) for power in powers]
        rounded, log_rounded = list(map(float, powers)), float(log)
        return rounded, rest, log_rounded, float(log - Decimal(log_rounded)), float(16 / log)


TABLE, REST, LN2, LN2_REST, STEPS = _constants()


def fused(a: float, b: float, c: float) -> float:
    """a * b + c, rounded once. Source: the product's error by Dekker 1971; `fsum` rounds a sum once."""
    product = a * b
    a_high, b_high = SPLIT * a - (SPLIT * a - a), SPLIT * b - (SPLIT * b - b)
    a_low, b_low = a - a_high, b - b_high
    error = a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)
    return fsum((product, error, c))


def exp(x: float) -> float:
    """e**x for |x| < 700, within 0.6 of the last bit.

    Source: Tang 1989, "Table-driven implementation of the exponential function": 2**(n/16) from a table,
            times a polynomial of what is left.
    """
    n = floor(x * STEPS)
    n -= fused(x, STEPS, -n) < 0                    # the product was rounded up to n
    left = fused(-n / 16, LN2_REST, fused(-n / 16, LN2, x))
    square, (a, b, c, d, e, f) = left * left, POWERS
    series = fused(fused(f, left, e), square, fused(d, left, c))
    series = fused(series, square, fused(b, left, a))
    scale = TABLE[n % 16]
    return ldexp(fused(scale, fused(series, left, REST[n % 16]), scale), n // 16)

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


def halves(a: float) -> tuple[float, float]:
    """`a` as a sum of two numbers of 26 bits. Source: Dekker 1971."""
    high = SPLIT * a - (SPLIT * a - a)
    return high, a - high


def fused(a: tuple[float, float], b: tuple[float, float], c: float) -> float:
    """a * b + c, rounded once, of halves: their products are exact, and `fsum` rounds a sum once."""
    (a_high, a_low), (b_high, b_low) = a, b
    return fsum((a_high * b_high, a_high * b_low, a_low * b_high, a_low * b_low, c))


TABLE_HALVES, POWER_HALVES = [halves(power) for power in TABLE], [halves(power) for power in POWERS]
STEP_HALVES, (LN2_HIGH, LN2_LOW), (LN2_REST_HIGH, LN2_REST_LOW) = halves(STEPS), halves(LN2), halves(LN2_REST)


def exp(x: float) -> float:
    """e**x for |x| < 700, within 0.6 of the last bit.

    Source: Tang 1989, "Table-driven implementation of the exponential function": 2**(n/16) from a table,
            times a polynomial of what is left.
    """
    n = floor(x * STEPS)
    if x * STEPS == n:                              # the product may have been rounded up to n
        n -= fused(halves(x), STEP_HALVES, -n) < 0
    steps = -n / 16                                 # of so few bits that its products with halves are exact
    left = fsum((steps * LN2_HIGH, steps * LN2_LOW, x))
    left = fsum((steps * LN2_REST_HIGH, steps * LN2_REST_LOW, left))
    (a, _, c, _, e, _), (_, b, _, d, _, f) = POWERS, POWER_HALVES
    square, left = halves(left * left), halves(left)
    series = fused(halves(fused(f, left, e)), square, fused(d, left, c))
    series = fused(halves(series), square, fused(b, left, a))
    series = fused(halves(series), left, REST[n % 16])
    return ldexp(fused(TABLE_HALVES[n % 16], halves(series), TABLE[n % 16]), n // 16)

# %% [markdown]
# # 12 · The scorecard: what held, what did not, and how we know
#
# **Sources.** All seven papers; their tables and claims are in `data/published` and `data/claims`, our measurements in
# `data/results`. **Before this:** any one of notebooks 04, 05, 08, 10 and 11, to know what a row of a table is.
# **Needs:** a CPU; nothing is trained here, everything is read from the records.
#
# <!-- minutes -->reading: about 10 min; CPU: 0.5 min on 2 CPU cores; older CPU: 1 min on 2 CPU cores; GPU: not measured yet<!-- /minutes -->

# %% tags=["parameters"]
import os

BUDGET = os.environ.get("PAPERLIB_BUDGET", "mini")  # whose records are judged; smoke reads those of mini
SEED = 0
DEVICE = None                                       # not used: nothing is trained
DATA = "minicoco"                                   # not used: the records name their data
RERUN = False                                       # True: time the claims on speed again, about five minutes

# %%
import sys
if "google.colab" in sys.modules:  # fetch the course and what Colab lacks; leave Colab's own torch and NumPy alone
    address = os.environ.get("PAPERLIB_REPOSITORY") or input("Address of the repository of this notebook: ")
    # !git clone -q --depth 1 {address} course
    # %pip install -q pycocotools safetensors
    # %cd -q course/notebooks
    sys.path.insert(0, "..")

# %% [markdown]
# ## After this you can
#
# - say of any claim of the seven papers whether it held here, from how many runs, and how sure that is;
# - turn two lists of scores into an interval and a verdict, and say why the lists must be paired;
# - plan how many seeds an effect of a given size needs;
# - tell a claim that is wrong from a claim that this experiment could not decide.
#
# **A question before you read on.** You train two variants five times each. The better one wins in four of the five
# pairs. Is the difference real?

# %%
from textwrap import shorten

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from paperlib import intervals
from paperlib.bench import timing
from paperlib.claims.registry import TIMED
from paperlib.claims.timed import quotient, sizes
from paperlib.claims.verdicts import VERDICTS, counts, judged
from paperlib.papers.names import NAMES
from paperlib.papers.register import claims
from paperlib.tables import costs
from paperlib.teach import draw
from paperlib.teach.exercises import check, predict, quiz, reveal, score
from paperlib.teach.widgets import explore, frames

draw.style()
plan = "mini" if BUDGET == "smoke" else BUDGET
if RERUN:
    timing.bench(TIMED, timing.TABLE)
lines = judged(plan)
frame = pd.DataFrame(lines).set_index("id")
print(f"{len(lines)} claims, {(~frame.verdict.isin(['external', 'not run'])).sum()} judged so far, {(frame.verdict == 'external').sum()} external; budget {plan!r}")

# %% [markdown]
# ## All verdicts in one picture
#
# Every sentence of the papers that can be tested is a **claim** in `data/claims`. There are four kinds. An *exact* claim
# follows from arithmetic or from a network's shape, and is **computed**. A *ratio* compares two times, and is **timed** with
# random weights. A *trend* compares **trained** systems, or asks for the shape of a curve. An *external* one needs
# something that nobody can re-run here, such as a closed leaderboard.
#
# The kinds are counted apart, since they are evidence of different worth: that a paper's percentages follow from its table says
# nothing about its idea. The bottom bar counts the trained claims again, after a correction for testing so many at once.

# %%
LOOKS = {"follows": ("green", ""), "follows under a reading": ("green", "//"), "conforms": ("sky", ""), "does not follow": ("vermillion", "xx"),
         "holds": ("green", ""), "holds, smaller": ("green", ".."), "holds, larger": ("green", "//"), "contradicted": ("vermillion", "xx"),
         "unresolved": ("black", ""), "stale": ("orange", "//"), "not run": (None, "")}


def bars_of(ax, tally):
    """Bars of {name: {verdict: number}}, divided by verdict; only verdicts that occur."""
    left = np.zeros(len(tally))
    for verdict in [v for v in VERDICTS if tally[v].any()]:
        name, hatch = LOOKS[verdict]
        color = draw.PALETTE[name] if name else "#d9d9d9"
        bars = ax.barh(tally.index, tally[verdict], left=left, color=color, hatch=hatch, edgecolor="#666666", label=verdict)
        ax.bar_label(bars, [n or "" for n in tally[verdict]], label_type="center", fontsize=8,
                     bbox={"facecolor": "white", "pad": 1, "linewidth": 0})
        left += tally[verdict]
    ax.invert_yaxis()
    ax.grid(False)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)


# %%
fig, axes = plt.subplots(4, 1, figsize=(8.5, 9), height_ratios=[7, 6, 7, 2.5])
told, groups = [], []
for kind, title in {"exact": "computed", "ratio": "timed", "trend": "trained"}.items():
    some = [line for line in lines if line.kind == kind]
    groups.append((f"{len(some)} {title} claims", pd.DataFrame(counts(some)).T.rename(NAMES)))
both = {"all": groups[-1][1].sum(), "all, corrected": pd.DataFrame(counts(some, after=True)).T.sum()}
groups.append(("all trained claims", pd.DataFrame(both).T))
for ax, (title, tally) in zip(axes, groups):
    bars_of(ax, tally)
    ax.set_title(title, loc="left")
    told += [f"{title}, {name}: " + ", ".join(f"{n} {v}" for v, n in row.items() if n) for name, row in tally.iterrows()]
draw.show(fig, f"Four groups of bars, computed, timed and trained claims by paper and all trained ones, divided by verdict. {'; '.join(told)}.")

# %%
by_kind = pd.crosstab([frame.kind, frame.tier], frame.verdict).reindex(columns=VERDICTS, fill_value=0)
by_kind.index = [f"{kind}, tier {tier}" for kind, tier in by_kind.index]
draw.table(by_kind.T.rename_axis(index=None), "Claims by kind, tier (1 is the core) and verdict")

# %% [markdown]
# "Not run" is an honest answer too: its system is built in another notebook, or its rows wait for a machine. The same
# list with filters, formulas and all tables is the page that `paperlib scorecard` writes to `build/scorecard.html`.
#
# ## How a verdict is made
#
# Take a claim about two rows of a table, say "row A beats row B". We train both rows with seeds $s = 1 \dots n$. A seed
# fixes the first weights and the order of the images, for both rows alike. Let $a_s$ and $b_s$ be their scores. The
# paired differences, their mean and its standard error are
#
# $$d_s = a_s - b_s, \qquad \bar d = \frac1n \sum_s d_s, \qquad
#   \mathrm{se} = \sqrt{\frac{\sum_s (d_s - \bar d)^2}{n\,(n-1)}},$$
#
# and the 95% interval is $\bar d \pm t_{n-1}\,\mathrm{se}$, where $t_{n-1}$ is the 97.5th percentile of Student's
# distribution with $n - 1$ degrees of freedom.
#
# | symbol | variable | meaning |
# |---|---|---|
# | $a_s, b_s$ | `ours`, `baseline` | scores by seed, points (AP x 100) |
# | $\bar d$ | `mean` | what the scorecard prints under "here" |
# | $n$ | `n` | pairs of runs |
# | $t_{n-1}$ | `t` | how far small samples must reach |

# %% tags=["derive"]
from scipy import stats

ours = {0: 31.24, 1: 30.13, 2: 32.97, 3: 29.52, 4: 31.88}
baseline = {0: 29.83, 1: 29.94, 2: 31.46, 3: 28.12, 4: 31.17}
d = [ours[s] - baseline[s] for s in ours]
n = len(d)
mean = sum(d) / n
se = (sum((x - mean) ** 2 for x in d) / (n * (n - 1))) ** 0.5
t = stats.t.ppf(0.975, n - 1)
print(f"differences {[round(x, 1) for x in d]}: mean {mean:.2f}, interval [{mean - t * se:.2f}, {mean + t * se:.2f}]")

# %% tags=["agree"]
found = intervals.paired(ours, baseline)
np.testing.assert_allclose([found.mean, found.low, found.high], [mean, mean - t * se, mean + t * se])
print(intervals.verdict(found, published=+1), "if the paper says A is better;", intervals.verdict(found, published=-1), "if it says B")
draw.source(intervals.verdict)

# %% [markdown]
# ## Why pairs?
#
# Some seeds are lucky for both rows: their images come in a kind order, their first weights are good. That luck is
# shared, so it cancels in $d_s$. Simulate it: each seed has a luck of its own, each run a little noise on top.

# %%
def runs(n, effect, luck=2.5, noise=0.4, seed=SEED):
    """Scores of two rows over n seeds: shared luck, own noise, and `effect` points for the first row."""
    rng = np.random.default_rng(seed)
    shared = 30 + luck * rng.standard_normal(n)
    return shared + effect + noise * rng.standard_normal(n), shared + noise * rng.standard_normal(n)


def unpaired(a, b):
    """The interval of the difference of two means when nobody knows which runs belong together (Welch)."""
    test = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    return intervals.Difference(a.mean() - b.mean(), test.low, test.high, len(a))

# %%
a, b = runs(5, effect=1.0, seed=SEED + 2)
fig, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.2), width_ratios=[1.2, 1])
for s, pair in enumerate(zip(b, a)):
    left.plot([0, 1], pair, "o-", label=f"seed {s}")
left.set(xticks=[0, 1], xticklabels=["row B", "row A"], xlim=(-0.3, 1.3), ylabel="score, points", title="five seeds")
both = {"paired": intervals.mean_interval(list(a - b)), "unpaired": unpaired(a, b)}
for y, found in enumerate(both.values()):
    right.plot([found.low, found.high], [y, y], lw=3)
    right.plot(found.mean, y, "ko")
right.axvline(0, color="black", lw=0.8, ls=":")
right.set(yticks=[0, 1], yticklabels=both, ylim=(-0.6, 1.6), xlabel="A - B, points", title="the same ten runs")
draw.show(fig, f"Left: five lines, one a seed, {(a > b).sum()} of them rising from row B to row A, at very different heights. "
               + "Right: " + "; ".join(f"the {name} interval is [{v.low:.1f}, {v.high:.1f}]" for name, v in both.items()) + ".")

# %% [markdown]
# ## Turn the dials
#
# How many seeds, how much noise, how large an effect? Each choice is one experiment, drawn as its paired differences with
# their interval; the word is the verdict on "A is better".

# %%
def draw_experiment(ax, seeds, noise, effect, draw_again=0):
    a, b = runs(seeds, effect, noise=noise, seed=SEED + draw_again)
    found = intervals.mean_interval(list(a - b))
    ax.plot(a - b, np.zeros(seeds), "o", color=draw.PALETTE["blue"], alpha=0.6)
    ax.plot(np.clip([found.low, found.high], -9, 9), [1, 1], lw=4, color=draw.PALETTE["vermillion"])
    ax.plot(found.mean, 1, "k|", ms=14)
    ax.axvline(0, color="black", lw=0.8, ls=":")
    ax.set(yticks=[0, 1], yticklabels=["pairs", "interval"], ylim=(-0.6, 2.1), xlim=(-4, 4))
    ax.text(0.5, 0.93, intervals.verdict(found, +1), transform=ax.transAxes, ha="center", va="top", weight="bold")


explore(draw_experiment, "Paired differences, their interval and the verdict", seeds=(2, 20, 1, 5), noise=(0.1, 2.0, 0.1, 0.4),
        effect=(-1.0, 2.0, 0.1, 0.6), draw_again=(0, 50))

# %%
states = [{"seeds": n, "noise": noise, "effect": e} for e, noise in ((0.6, 0.4), (0.6, 1.2), (0.0, 0.4)) for n in (2, 5, 20)]
draw.show(frames(draw_experiment, states, share=True), "Nine small experiments. With an effect of 0.6 and little noise, two "
          "pairs leave the interval wide, more pairs settle it; with much noise even more are needed; with no effect the "
          "interval straddles zero.")

# %% [markdown]
# ## How often does a verdict mislead?
#
# Suppose there is **no** difference. A 95% interval still misses zero once in twenty experiments, half the time on the
# paper's side.

# %%
predict("Of 100 true 'no difference' pairs, how many will be called 'holds' by luck alone?", "luck")

# %%
def shares(effect, n, noise=0.4, trials=2000):
    """The share of each verdict over many simulated experiments, in vectorised form."""
    rng = np.random.default_rng(SEED + n)
    d = effect + noise * 2**0.5 * rng.standard_normal((trials, n))
    half = stats.t.ppf(0.975, n - 1) * d.std(1, ddof=1) / n**0.5
    return {"holds": (d.mean(1) > half).mean(), "contradicted": (d.mean(1) < -half).mean()}


reveal("luck", round(100 * shares(0.0, 5, trials=20_000)["holds"], 1), "Half of five in a hundred; as many are called 'contradicted'.")
trained = frame[(frame.kind == "trend") & frame.n.gt(1)]
print(f"{len(trained)} trends rest on more than one run. If nothing differed in any of them, luck alone would still give "
      f"about {0.05 * len(trained):.1f} verdicts.")
lost = trained[(trained.after == "unresolved") & (trained.verdict != "unresolved")]
print(f"Benjamini and Hochberg's q keeps the share of such verdicts among all that are given below 5%. It takes back {len(lost)}:")
for i, r in lost.iterrows():
    print(f"  {i}: {r.verdict}, p {r.p:.3f}, q {r.q:.3f}")

# %%
fig, ax = plt.subplots(figsize=(7, 3.4))
seeds = [2, 3, 4, 5, 7, 10, 15, 20]
for effect in (0.0, 0.3, 0.6, 1.2):
    ax.plot(seeds, [shares(effect, n)["holds"] for n in seeds], marker="o", label=f"true effect {effect:g}")
ax.set(xlabel="pairs of runs", ylabel="share called 'holds'", ylim=(-0.03, 1.03), title="noise of a run: 0.4 points",
       xticks=seeds)
fig.legend(loc="outside right center")
draw.show(fig, "Share of experiments with the verdict 'holds' against the number of pairs: about 2.5% without an effect, whatever "
               f"the number; with an effect of 0.6 points, {shares(0.6, 5)['holds']:.0%} at five pairs and "
               f"{shares(0.6, 10)['holds']:.0%} at ten.")

# %% [markdown]
# An *unresolved* claim is therefore not a refuted one: five seeds see an effect of the size of the noise only in part of all
# cases. The interval says what was ruled out.
#
# Back to the question at the top. Without any difference, one variant named beforehand wins four or five of five pairs in 6 of 32
# trials. So four wins alone decide nothing.
#
# Claims of **no difference** are judged the other way round: the whole interval must lie inside a margin. The margin is a share of
# our own score, the one that the paper prints for that comparison, or 1.5% where it prints less. Too few runs can never make such
# a claim hold. A sentence of **several parts** holds only if each does; k parts may contradict it only at 1 - 0.05/k, as each is a
# chance.
# The rules, and how to attack what follows from them, are in `data/claims/RULES.md` and `PROTOCOL.md`.
#
# So ask of each unresolved claim: did it have a fair trial? How far our pairs lie apart tells how many of them would show a true
# difference of the paper's share (or as large as the margin) in four of five repeats. Where the diamond lies to the right of the dot,
# the seeds were too few. Elsewhere the trial was fair: read in the interval what it rules out.

# %%
open_ = trained[(trained.verdict == "unresolved") & trained.pairs.notna()].sort_values("pairs", ascending=False)
fig, ax = plt.subplots(figsize=(7, 0.8 + 0.24 * len(open_)))
blunt = open_.pairs > open_.n
ax.hlines(range(len(open_)), open_.n, open_.pairs.astype(float), color="gray", lw=1)
ax.plot(open_.n, range(len(open_)), "o", color=draw.PALETTE["blue"], label="pairs we have")
ax.plot(open_.pairs, range(len(open_)), "D", color=draw.PALETTE["vermillion"], label="pairs that would be enough")
ticks = [2, 3, 5, 10, 20, 50, 100, 200, 400]
ax.set(xscale="log", xticks=ticks, xticklabels=map(str, ticks), xlabel="pairs of seeds (logarithmic)",
       yticks=range(len(open_)), yticklabels=open_.index)
ax.minorticks_off()
ax.legend()
draw.show(fig, f"{len(open_)} unresolved claims with the pairs of seeds they have and would need: {int(blunt.sum())} have too few ("
          + ", ".join(f"{i} {int(r.n)} of {int(r.pairs)}" for i, r in open_[blunt].iterrows()) + f"), {int((~blunt).sum())} have enough.")

# %% [markdown]
# ## Trends: the paper's difference and ours
#
# Now the real thing. Each point is a claim about two rows that were both trained here. Across, the difference that the
# paper prints; upwards, ours with its interval. On the diagonal we would measure the paper's own number; nobody expects
# that of small networks on drawn images. Most claims say a *side*: a point above zero on the right half, below zero on the left,
# agrees. Claims of little or no difference have a margin instead. They fail on the paper's side, too, where ours is too large. And
# where only *not behind* is claimed, they hold on the other side. Named are the eight contradicted ones with the largest difference here.

# %%
MARKS = {"holds": ("o", "green"), "holds, smaller": ("v", "green"), "holds, larger": ("^", "green"), "contradicted": ("X", "vermillion"), "unresolved": ("D", "black")}
pairs = frame[frame.delta.notna() & frame.measured.notna() & frame.verdict.isin(MARKS)]
clearest = pairs[pairs.verdict == "contradicted"].sort_values("measured", key=lambda m: m.astype(float).abs(), ascending=False)
named = pairs if len(pairs) <= 12 else clearest[:8]  # more names would hide the points


def draw_pairs(ax):
    for verdict, part in pairs.groupby("verdict"):
        marker, color = MARKS[verdict]
        bounds = [b or (m, m) for b, m in zip(part.interval, part.measured)]
        error = [[m - b[0] for m, b in zip(part.measured, bounds)], [b[1] - m for m, b in zip(part.measured, bounds)]]
        ax.errorbar(part.delta.astype(float), part.measured.astype(float), yerr=error, fmt=marker, capsize=3,
                    color=draw.PALETTE[color], label=verdict)


def name_points(ax):
    """The ids to the left of their points, moved up where one would lie on another."""
    ax.figure.draw_without_rendering()  # so that places on the page are known
    last = -1e9
    for name, row in named.sort_values("measured").iterrows():
        y = ax.transData.transform((row.delta, row.measured))[1] * 72 / ax.figure.dpi
        last = max(y, last + 10)
        ax.annotate(name, (row.delta, row.measured), xytext=(-7, last - y), textcoords="offset points", fontsize=8, ha="right",
                    va="center", arrowprops={"arrowstyle": "-", "lw": 0.4, "color": "gray"} if last > y else None)


# %%
fig, ax = plt.subplots(figsize=(8.5, 6.5))
draw_pairs(ax)
ticks = [-30, -10, -3, -1, 0, 1, 3, 10, 30, 100]
for axis in (ax.xaxis, ax.yaxis):
    axis.axes.set(**{f"{axis.axis_name}scale": "symlog", f"{axis.axis_name}lim": (-40, 120)})
    axis.set_ticks(ticks, [f"{v:+d}" if v else "0" for v in ticks])
ax.plot([-40, 120], [-40, 120], color="#888888", lw=1, ls="--")
ax.axhline(0, color="black", lw=0.8)
ax.axvline(0, color="black", lw=0.8)
ax.set(xlabel="difference that the paper prints, points", ylabel="difference measured here, points")
ax.set_title("" if len(pairs) else "no pair of rows is recorded yet")
fig.legend(loc="outside upper center", ncols=3)
name_points(ax)
draw.show(fig, f"Scatter of printed against measured differences of {len(pairs)} claims, with intervals and the diagonal. "
               + "; ".join(f"{i}: printed {r.delta:+.1f}, ours {r.measured:+.1f}, {r.verdict}" for i, r in pairs.iterrows()))

# %%
shown = frame[(frame.kind == "trend") & ~frame.verdict.isin(["not run", "external"])]
columns = {"verdict": shown.verdict, "metric": shown.how.map(lambda how: shorten(how, 70, placeholder=" …")), "paper": shown.delta, "ours": shown.measured,
           "interval": shown.interval.map(lambda b: b if isinstance(b, tuple) else (None, None)), "n": shown.n, "parts": shown.parts.map(len), "q": shown.q}
draw.table(pd.DataFrame(columns).astype(dict.fromkeys(["paper", "ours", "q"], float)),
           "Trends that were run: differences in points, of the part that decides. In full: paperlib scorecard")

# %% [markdown]
# ## Times: the paper's ratio and ours
#
# Claims on speed need no training: a forward pass takes as long with random weights. Both ways of doing a thing run in one
# process, in turns, several times. What is compared is a quotient, so that the machine cancels out. It does so in part only: a
# CPU core and the graphics card of ten years ago do not slow down by the same factor everywhere.
#
# So we ask for less: **the direction first**, and then the size. The size may miss the printed quotient by a factor of two (the grey
# band), or by that quotient's square root if this is less. So 1.3 times cannot mean no difference. Percentages are made into quotients.

# %%
register = {claim["id"]: claim for claim in claims()}
timed = frame[(frame.kind == "ratio") & frame.interval.notna() & frame.verdict.isin(MARKS)]
ranges = {name: sizes(register[name]) for name in timed.index}
sized = [name for name in timed.index if ranges[name]]
fig, ax = plt.subplots(figsize=(8, 1.4 + 0.28 * len(sized)))
ax.axvspan(0.5, 2, color="#e6e6e6")
for y, name in enumerate(sized):
    row, of = timed.loc[name], register[name]["judge"].get("of")
    low, middle, high = (quotient(v, of) for v in (row.interval[0], row.measured, row.interval[1]))
    near = min(ranges[name], key=lambda v: abs(np.log(v / middle)))
    marker, color = MARKS[row.verdict]
    ax.plot([low / near, high / near], [y, y], color=draw.PALETTE[color], lw=2)
    ax.plot(middle / near, y, marker, color=draw.PALETTE[color])
    ax.text(1.02, y, f"{near:.3g} → {middle:.3g}", transform=ax.get_yaxis_transform(), va="center", fontsize=8)
ax.set(yticks=range(len(sized)), yticklabels=sized, xlabel="measured / published (numbers: paper → here)", xscale="log",
       ylim=(-0.6, len(sized) - 0.4))
ax.set_xticks([0.25, 0.5, 1, 2, 4], ["1/4", "1/2", "1", "2", "4"], minor=False)
ax.set_xticks([], minor=True)
ax.axvline(1, color="black", lw=0.8)
handles = [plt.Line2D([], [], marker=m, ls="", color=draw.PALETTE[c], label=v) for v, (m, c) in MARKS.items()]
fig.legend(handles=handles, loc="outside upper center", ncols=3)
draw.show(fig, "Measured over published size of each timed claim, on a logarithmic axis with a band from one half to two. "
               + "; ".join(f"{i}: {timed.measured[i]:.3g}, {timed.verdict[i]}" for i in sized))

# %% [markdown]
# On one CPU core, time is nearly proportional to multiplications. The two large layers behind VGG16 take a larger share of it
# than on the papers' graphics cards; that share is itself a claim, `frcn-fc-45pct`. Whatever happens outside
# those layers, convolutions shared or repeated at five scales, then counts for less: such points lie left of the band.
# A point right of it can mean that the paper's two systems ran different networks where ours runs one both ways. The notes
# in the table below say what was timed.
#
# ## What did not hold, and why
#
# All claims that are contradicted or unresolved, each with the first sentence of its note. The whole notes are on the page that
# `paperlib scorecard` writes.

# %%
failed = frame[frame.verdict.isin(["does not follow", "contradicted", "unresolved", "stale"])].sort_values(["verdict", "kind"])
shown = failed[["verdict", "say", "published", "measured"]].astype({"published": str})
shown["measured"] = [f"{value:.2f}" if isinstance(value, float) else str(value) for value in failed.measured]
note = failed.note.map(lambda text: shorten(text.partition(". ")[0], 120, placeholder=" …"))
draw.table(shown.assign(note=note), "Claims that did not hold here, or not clearly")

# %% [markdown]
# ## What it cost
#
# Every record holds its seconds. A table is charged for each run that its rows needed; claims share rows, so the sum over
# claims would count runs several times.

# %%
spent = pd.DataFrame([(name, *found) for name, found in costs.cost(plan).items()], columns=["table", "runs", "core-minutes"])
clock = frame[frame.kind.eq("ratio")].cost.sum()
spent.loc[len(spent)] = ["timings", int((frame.kind.eq("ratio") & frame.cost.notna()).sum()), clock]
draw.table(spent, f"Runs and minutes on one core: {spent['core-minutes'].sum():.0f} minutes for the tables; the dials' runs come on top")

# %% [markdown]
# ## What to doubt
#
# - **The world.** Trends are measured on drawn images with small networks. A claim that fails here may hold on photographs,
#   and the other way round; notebook 13 turns the dials of the world one at a time.
# - **Many claims.** Each verdict is at 95% by itself. Some of them are luck; q says which do not survive the number of tests.
# - **Rules after numbers.** Most runs are older than the rules by which they are judged; each note says so.
# - **Shared rows.** Claims about one table lean on the same baseline runs. If those were lucky, all of them are wrong together.
# - **Readings.** Where a paper says "slightly" or "no difference", a margin had to be chosen. It is 1.5%, the middle of the shares
#   that the papers print with such words, and was chosen after the first runs had been seen.
# - **Student's interval** assumes that differences are roughly normal. A diverged run, recorded as zero, is not; the note of
#   a claim says when that happened.
# - **A factor of two** is a convention, not a law.

# %% [markdown]
# ## Exercises
#
# **1. Predict.** The noise of a run halves (longer training, more test images). By which factor does the number of pairs
# fall that an effect needs?

# %%
predict("Half the noise: how many times fewer pairs?", "pairs", guess=None)

# %%
reveal("pairs", 4, "The interval shrinks with noise / sqrt(n), so n falls with the square.")

# %% [markdown]
# **2. Implement.** The paired interval from two dictionaries of scores by seed; seeds that only one of them has do not
# count. Return (mean, low, high).

# %% tags=["exercise"]
def my_paired(ours, baseline):
    ...


# %%
def paired_spec(ours, baseline):
    found = intervals.paired(ours, baseline)
    return found.mean, found.low, found.high


check("paired", my_paired, paired_spec, [(ours, baseline), ({1: 3.0, 2: 4.0, 7: 9.0}, {2: 1.0, 1: 2.5}), (baseline, ours)])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_paired(ours, baseline):
#     d = np.array([ours[s] - baseline[s] for s in ours if s in baseline])
#     half = stats.t.ppf(0.975, len(d) - 1) * d.std(ddof=1) / len(d) ** 0.5
#     return d.mean(), d.mean() - half, d.mean() + half
# ```
# </details>
#
# **3. Implement.** The verdict on "no difference" from an interval and a margin: "holds", "contradicted" or "unresolved".

# %% tags=["exercise"]
def my_equal(low, high, margin):
    ...


# %%
cases = [(-0.2, 0.3, 0.5), (-0.2, 0.7, 0.5), (0.6, 0.9, 0.5), (-3.0, -0.8, 0.5), (-2.0, 2.0, 0.5)]
check("equal", my_equal, lambda low, high, margin: intervals.verdict(intervals.Difference((low + high) / 2, low, high, 5), None, margin), cases)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_equal(low, high, margin):
#     if -margin < low and high < margin:
#         return "holds"
#     return "contradicted" if low > margin or high < -margin else "unresolved"
# ```
# </details>
#
# **4. Find the fault.** Benjamini and Hochberg: sort the $m$ values of p; the largest $k$ with $p_{(k)} \le q\,k / m$ says how many claims count as
# decided. The function below returns too few now and then. Mend it.
#
# ```python
# def decided_faulty(p, q):
#     decided = 0
#     for k, value in enumerate(sorted(p), 1):
#         if value > q * k / len(p):
#             break
#         decided = k
#     return decided
# ```

# %% tags=["exercise"]
def my_decided(p, q):
    ...


# %%
def decided_spec(p, q):
    return int((stats.false_discovery_control(p) <= q).sum())


cases = [([0.001, 0.03, 0.036, 0.2], 0.05), ([0.01, 0.045, 0.3, 0.6, 0.9], 0.05), ([0.02, 0.025, 0.03, 0.9], 0.05), ([0.2, 0.5], 0.05), ([0.01], 0.05)]
check("many claims", my_decided, decided_spec, cases)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_decided(p, q):
#     decided = 0
#     for k, value in enumerate(sorted(p), 1):
#         if value <= q * k / len(p):
#             decided = k
#     return decided
# ```
# </details>
#
# **5. Investigate.** Choose an unresolved trend from the table above. From its interval and $n$, work out its standard error,
# and from that how many pairs would settle it if the mean stayed what it is. Then look at its minutes: is it worth it?
# `paperlib table ID --seeds N` runs the missing seeds only.
#
# <details><summary>What to look for</summary>
#
# Half the interval is $t_{n-1}\,\mathrm{se}$, and $\mathrm{se}\,\sqrt n$ is the spread $\sigma$ of a difference. With many pairs $t$ is near 2, so
# $n \approx (2\sigma / \bar d)^2$. The mean will not stay what it is: it was the noisy part.
# </details>

# %%
score()

# %% [markdown]
# ## Questions
#
# Open an answer: it says whether it is right, and why. The same questions can go into Moodle (`paperlib notebooks export questions`).

# %%
quiz("12_scorecard")

# %% [markdown]
# ## In three lines
#
# A verdict compares pairs of runs that share their seed, because shared luck cancels. An interval that includes zero says
# "not decided", not "no effect". What did not hold is listed with its reason, and every number comes from a sealed record.
#
# **Next:** notebook 13 asks in which worlds a claim holds.
#
# **References.** Student's paired interval: any book on statistics. The claims' places are in the register: `paperlib claims`.

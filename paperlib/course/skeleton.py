"""The skeleton of a new notebook, as a text twin: the cells that every notebook must have, in their order."""

COLAB = '''\
import sys
if "google.colab" in sys.modules:  \
# fetch the course and what Colab lacks; leave Colab's own torch and NumPy alone
    address = os.environ.get("PAPERLIB_REPOSITORY") or input("Address of the repository of this notebook: ")
    # !git clone -q --depth 1 {address} course
    # %pip install -q pycocotools safetensors
    # %cd -q course/notebooks
    sys.path.insert(0, "..")
'''

TEMPLATE = '''\
# %% [markdown]
# # {title}
# Paper, section, version; what to have read before.
#
# <!-- minutes --><!-- /minutes -->
#
# **After this you can** ...

# %% tags=["parameters"]
import os
BUDGET = os.environ.get("PAPERLIB_BUDGET", "mini")  # smoke, mini, gpu or paper
SEED = 0
DEVICE = None  # None: CUDA, else MPS, else the CPU
DATA = "minicoco"  # or the path of a COCO or VOC folder
RERUN = False  # True: train the rows of the tables again, here

# %%
{colab}
# %%
import matplotlib.pyplot as plt
from paperlib.device import pick_device, seed_all
from paperlib.teach import draw, exercises, widgets
device = pick_device(DEVICE)
seed_all(SEED)
draw.style()

# %%
def line(ax, slope=1.0):
    ax.plot([0, 1], [0, slope])
    ax.set(ylim=(0, 3), xlabel="x", ylabel="slope times x")

widgets.explore(line, "A line through the origin", slope=(0.0, 3.0, 0.5, 1.0))

# %%
three = [{{"slope": slope}} for slope in (0.5, 1.0, 2.0)]
draw.show(widgets.frames(line, three), "Three lines; the steepest has slope 2.")

# %%
exercises.predict("What is twice 21?", "twice", guess=None)

# %%
exercises.reveal("twice", 42, "Doubling is adding a number to itself.")

# %% tags=["exercise"]
def double(x):
    """Twice x, without multiplying."""

# %%
exercises.check("double", double, lambda x: 2 * x, [1, 2.5])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def double(x):
#     return x + x
# ```
# </details>
'''


def skeleton(title: str) -> str:
    """The text of a new twin; `lint` finds nothing in it once it has been stored."""
    return TEMPLATE.format(title=title, colab=COLAB)

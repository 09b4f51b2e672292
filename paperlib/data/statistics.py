"""What a detection set is made of, as tables and as the five panels of the COCO paper's Fig. 2.5.

Every function takes a DetectionSet of either format.
A crowd region counts as one instance; difficult objects count.
"""
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from paperlib.data.detection_set import DetectionSet

# Okabe-Ito: safe for the colour-blind
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")


def instances(dataset: DetectionSet) -> pd.DataFrame:
    """One row per annotation: image_id, category, area (px^2), relative (side / the image's side), crowd."""
    rows = []
    for image in dataset.images:
        pixels = image["height"] * image["width"]
        for ann in dataset.annotations[image["id"]]:
            rows.append((image["id"], dataset.class_of(ann), float(ann["area"]),
                         float(np.sqrt(ann["area"] / pixels)), bool(ann["iscrowd"])))
    return pd.DataFrame(rows, columns=["image_id", "category", "area", "relative", "crowd"])


def per_category(dataset: DetectionSet) -> pd.DataFrame:
    """Per category, most frequent first: super-category, instances, images that show it (Fig. 2.5a)."""
    table, groups = pd.DataFrame(index=dataset.classes), instances(dataset).groupby("category")
    table["supercategory"] = [category.get("supercategory", "") for category in dataset.categories]
    table["instances"], table["images"] = groups.size(), groups["image_id"].nunique()
    table[["instances", "images"]] = table[["instances", "images"]].fillna(0).astype(int)
    return table.rename_axis("category").sort_values("instances", ascending=False, kind="stable")


def per_image(dataset: DetectionSet) -> pd.DataFrame:
    """Per image id: number of categories and of instances, 0 for images without any (Fig. 2.5b, c)."""
    groups = instances(dataset).groupby("image_id")
    table = pd.DataFrame({"categories": groups["category"].nunique(), "instances": groups.size()})
    return table.reindex(dataset.image_ids, fill_value=0).rename_axis("image_id")


def size_shares(dataset: DetectionSet) -> pd.Series:
    """The shares of small, medium and large instances, by the set's own bounds; crowds have no size."""
    area = instances(dataset).query("not crowd")["area"]
    shares = {}
    for name in ("small", "medium", "large"):
        low, high = dataset.area_ranges[name]
        shares[name] = ((area >= low) & (area < high)).mean()
    return pd.Series(shares)


def co_occurrence(dataset: DetectionSet) -> pd.DataFrame:
    """Of the images that show the row's category, the fraction that also show the column's; else NaN."""
    table = instances(dataset)
    counts = pd.crosstab(table["image_id"], table["category"]).reindex(columns=dataset.classes, fill_value=0)
    shown = counts.clip(upper=1)
    both = shown.T @ shown
    return both.div(np.diag(both), axis=0).rename_axis(index="given", columns="also")


def summary(sets: Sequence[DetectionSet]) -> pd.DataFrame:
    """One row per set, in the terms in which data sets are compared; shares in percent."""
    rows = {}
    for dataset in sets:
        images, every = per_image(dataset), instances(dataset)
        rows[dataset.name] = {
            "images": len(images), "categories": len(dataset.classes), "instances": len(every),
            "instances per category": len(every) / (len(dataset.classes) or np.nan),
            "instances per image": images["instances"].mean(),
            "categories per image": images["categories"].mean(),
            "one category %": 100 * (images["categories"] == 1).mean(),
            "empty %": 100 * (images["instances"] == 0).mean(),
            **(100 * size_shares(dataset)).add_suffix(" %"),
            "crowd %": 100 * every["crowd"].mean()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("set")


def fig_2_5(sets: Sequence[DetectionSet], colours: Sequence[str] = COLOURS) -> Figure:
    """The five panels of Fig. 2.5: instances by category, categories and instances an image, both, and sizes.

    Source: COCO (arXiv 1405.0312; thesis ch. 2) Fig. 2.5 a-e. Panel a shows the categories of the first set.
    """
    figure = Figure(figsize=(11, 8), layout="constrained")
    grid = figure.add_gridspec(3, 2, height_ratios=(1.1, 1, 1))
    axes = [figure.add_subplot(spot) for spot in (grid[0, :], grid[1, 0], grid[1, 1], grid[2, 0], grid[2, 1])]
    _bars(axes[0], sets, colours)
    for dataset, colour in zip(sets, colours):
        images = per_image(dataset)
        for axis, key, most in ((axes[1], "categories", 12), (axes[2], "instances", 30)):
            share = 100 * np.bincount(images[key].clip(upper=most), minlength=most + 1) / len(images)
            axis.plot(share, "o-", ms=3, color=colour, label=f"{dataset.name} ({images[key].mean():.1f})")
        each = len(instances(dataset)) / len(dataset.classes)
        axes[3].loglog(len(dataset.classes), each, "o", ms=9, color=colour, label=dataset.name)
        sides = 100 * instances(dataset).query("not crowd")["relative"]
        share, edges = np.histogram(sides, np.geomspace(1, 100, 15))
        middles = np.sqrt(edges[1:] * edges[:-1])
        axes[4].semilogx(middles, 100 * share / max(share.sum(), 1), "o-", ms=3, color=colour,
                         label=dataset.name)
    names = (("categories an image", "% of images"), ("instances an image", "% of images"),
             ("categories", "instances per category"),
             ("instance's side, % of the image's", "% of instances"))
    for axis, title, (x, y) in zip(axes[1:], "bcde", names):
        axis.set(title=f"({title})", xlabel=x, ylabel=y)
        axis.legend(fontsize=8, frameon=False)
    axes[3].margins(0.2)  # few points: whole numbers on both axes, without powers
    for scale in (axes[3].xaxis, axes[3].yaxis):
        scale.set_major_locator(LogLocator(subs=(1, 2, 5)))
        scale.set_major_formatter(StrMethodFormatter("{x:g}"))
        scale.set_minor_formatter(NullFormatter())
    return figure


def _bars(axis, sets: Sequence[DetectionSet], colours: Sequence[str]) -> None:
    """Panel a: instances of each category on a log scale, one bar a set."""
    tables = [per_category(dataset)["instances"] for dataset in sets]
    order = list(tables[0].index) if tables else []
    width = 0.8 / max(len(sets), 1)
    for k, (dataset, table, colour) in enumerate(zip(sets, tables, colours)):
        x = np.arange(len(order)) + (k + 0.5) * width - 0.4
        axis.bar(x, table.reindex(order), width, color=colour, label=dataset.name)
    scale = "log" if any(table.sum() for table in tables) else "linear"
    axis.set(title="(a)", ylabel="instances", yscale=scale, xlim=(-0.6, len(order) - 0.4))
    axis.set_xticks(range(len(order)), order, rotation=60, ha="right", fontsize=8)
    axis.legend(fontsize=8, frameon=False)

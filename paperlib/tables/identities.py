"""What a run is known by: a hash of all that decides its numbers.

A record of another hash than today's is stale. Hashed is what differs from the defaults, so a new field with
a default makes no record stale. A default that is changed does not show here: raise the `revision` of the
systems that it reaches.
"""

from dataclasses import asdict
from functools import cache

from torch import nn

from paperlib.config import departures, digest
from paperlib.data import given_proposals, selective_search
from paperlib.data.named_sets import is_drawn, load
from paperlib.paths import file_digest, weights_folder
from paperlib.systems.fast_rcnn import FastRCNNConfig
from paperlib.systems.faster_rcnn import FasterRCNNConfig
from paperlib.systems.rcnn_config import RCNNConfig
from paperlib.systems.registry import class_of
from paperlib.systems.selective_search import SelectiveSearchConfig
from paperlib.tables.recorded import renamed
from paperlib.tables.row_jobs import Job
from paperlib.training import alternating, own_proposals
from paperlib.training.rcnn import portraits
from paperlib.training.recipes import system_config, tested
from paperlib.training.svms import SVMConfig
from paperlib.world import drawn_sets
from paperlib.world.set_names import SetName

# Fields of a recipe: the configuration holds the first two, the others decide nothing.
ELSEWHERE = ("set", "preset", "checks", "check_images", "compiled")
STAGED = ("alternating", "separate")  # FasterRCNNConfig.training in stages


def identity(job: Job) -> str:
    """Hash of configuration, recipe, data, first weights, revisions and constants; the seed is not in it."""
    train_version, classes = data_version(job.recipe.data, job.recipe.train)
    cfg = _config_of(job, classes)
    recipe = {key: value for key, value in departures(job.recipe).items() if key not in ELSEWHERE}
    return digest({
        "system": job.system,
        "config": departures(cfg),
        "recipe": recipe,
        "revisions": revisions(class_of(job.system)),
        "constants": constants(cfg),
        "data": [train_version, data_version(*tested(job.recipe))[0]],
        "weights": first_weights(cfg),
    })


def _config_of(job: Job, classes: int):
    """The configuration of a run. Errors: as `system_config`, with the table and the row that ask for it."""
    try:
        return system_config(job.system, job.recipe, classes, job.changes)
    except (KeyError, ValueError) as error:
        raise ValueError(f"table {job.table!r}, row {job.row!r}: {error.args[0]}") from None


def is_current(record: dict, key: str) -> bool:
    """Whether a record is of the run that is known today by the identity `key`."""
    return identity_of(record) == key


def identity_of(record: dict) -> str:
    """The identity of a recorded run. Records made when whole configurations were hashed keep that `hash`."""
    return renamed().get(record["hash"], record["hash"])


def revisions(system: type[nn.Module]) -> dict[str, int]:
    """{class: revision} of a system's class and of those that it inherits from, where it is not 1."""
    raised = {}
    for kind in system.__mro__:
        revision = vars(kind).get("revision", 1)
        if revision != 1:
            raised[kind.__name__] = revision
    return raised


def constants(cfg) -> dict:
    """What decides a run's numbers and stands in no configuration: of SVMs, of stages, of given proposals."""
    numbers = {}
    if isinstance(cfg, FastRCNNConfig) and cfg.after.svm:
        numbers["svm"] = asdict(SVMConfig())
    if isinstance(cfg, FasterRCNNConfig) and cfg.training in STAGED:
        numbers["later stages"] = alternating.LATER
    if isinstance(cfg, RCNNConfig) and (cfg.added.fine_tuning or cfg.added.svm):
        numbers["added"] = drawn_sets.version(portraits.NAME)
    if _are_given(cfg):
        numbers["proposals"] = _proposal_constants(cfg.proposals)
    return numbers


def _are_given(cfg) -> bool:
    """Whether a system is trained or tested on proposals that come with the images."""
    if isinstance(cfg, FasterRCNNConfig):
        return "given" in (cfg.train_on, cfg.test_on)
    return isinstance(cfg, FastRCNNConfig | RCNNConfig | SelectiveSearchConfig)


def _proposal_constants(source) -> dict:
    numbers = {}
    grids = {"dense": "dense", "nearest_dense": "dense",
             "dense_rich": "dense_rich", "nearest_rich": "dense_rich", "anchors": "anchors"}
    if source.kind in grids:
        numbers["grid"] = asdict(given_proposals.GRIDS[grids[source.kind]])
    if source.dense:
        numbers["added grid"] = asdict(given_proposals.added_grid(source.kind))
    if source.kind in grids or source.dense:
        numbers["border"] = given_proposals.BORDER
    if source.kind.endswith(".safetensors"):
        numbers["weights"] = file_digest(own_proposals.weights_file(source.kind))
    if source.kind in ("selective_search", "nearest_dense", "nearest_rich", "beside_rich"):
        numbers["search"] = [selective_search.FAST, selective_search.SMALL]
    if source.kind == "quality":
        numbers["search"] = [selective_search.QUALITY, selective_search.SMALL]
    return numbers


@cache
def data_version(name: str, split: str) -> tuple[str, int]:
    """(version, number of classes) of a split.

    A drawn set's version is its generator's, so it need not be drawn.
    """
    if is_drawn(name):
        parts = [part.top for part in SetName.parse(name).chain]
        return "@".join(map(drawn_sets.version, parts)), drawn_sets.world_of(parts[-1]).categories
    dataset = load(name, split)
    return dataset.version, len(dataset.classes)


def first_weights(cfg) -> str | None:
    """Digests of the pre-trained trunks' files in this repository; None for trunks that start elsewhere."""
    return weights_version(cfg.trunk.weights, *cfg.trunk_names())


@cache
def weights_version(weights: str | None, *trunks: str) -> str | None:
    """Digests of the files of these trunks, where they start from MiniNet."""
    if weights != "mininet":
        return None
    digests = []
    for trunk in filter(None, trunks):
        path = weights_folder() / f"{trunk}.safetensors"
        if path.is_file():
            digests.append(file_digest(path)[:12])
    return "+".join(digests) or None

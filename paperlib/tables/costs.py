"""What the tables' runs cost: minutes spent, and minutes still to spend."""
from paperlib.papers.printed import published
from paperlib.tables import records
from paperlib.tables.compare import measured
from paperlib.tables.recorded import typical_seconds
from paperlib.training.recipes import Budget, as_budget


def cost(plan: str | Budget | None = None) -> dict[str, tuple[int, float]]:
    """{table: (runs, minutes on one core)} of what is recorded under a budget and not stale."""
    plan = as_budget(plan)
    costs = {}
    for name, body in published().items():
        if "run" not in body or not records.path_of(name, plan.name).exists():
            continue
        runs, seconds = 0, 0
        for row in measured(name, plan).values():
            runs += len(row["seconds"])
            seconds += sum(row["seconds"]) - row["copied"]
        costs[name] = runs, seconds / 60
    return costs


def outlook(plan: str | Budget | None = None) -> dict[str, dict]:
    """{table: {"done", "left", "older": runs, "minutes", "older_minutes", "to_go", "all": core-minutes}}.

    What is left is estimated by the median of the table's recorded runs, else of its system's; None without
    any. A run that another row shares counts once. "older" are the runs that were made on a CPU without
    units for bfloat16. "all" is what the whole table would have cost without them, by that median.
    """
    from paperlib.tables import runner  # here, as it imports all that training needs

    plan = as_budget(plan)
    systems = {name: body["run"]["system"] for name, body in published().items() if "run" in body}
    spent, usual, counted, expected = cost(plan), typical_seconds(systems, plan.name), set(), {}
    for name, system in systems.items():
        left = {(key, job.seed) for job, key in runner.missing(name, plan)} - counted
        counted |= left
        done, minutes = spent.get(name, (0, 0.0))
        older = []
        if done:
            for row in measured(name, plan).values():
                older += row["older"]
        typical, to_go, whole = usual.get(name, usual.get(system)), None, None
        if typical is not None:
            to_go = len(left) * typical / 60
            whole = minutes - sum(older) / 60 + len(older) * typical / 60 + to_go
        expected[name] = {"done": done, "minutes": minutes, "left": len(left), "to_go": to_go,
                          "older": len(older), "older_minutes": sum(older) / 60, "all": whole}
    return expected

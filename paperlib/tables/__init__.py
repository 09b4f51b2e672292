"""The papers' ablation tables, run here: rows, jobs, workers, records and comparisons."""

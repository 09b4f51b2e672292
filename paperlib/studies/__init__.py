"""Studies beyond the papers' tables: of the drawn world, of proposals, of annotation."""

"""What the corpus assets show in the UI beside their facts."""

import dagster as dg

from cookbooks.llm.data.problems import Problem


def problem_table(problems: list[Problem]) -> dg.MetadataValue:
    """Problems as a table: where, what is wrong, and the remedy."""
    records = [
        dg.TableRecord({"place": one.place, "field": one.field, "problem": one.what, "remedy": one.remedy})
        for one in problems
    ]
    return dg.MetadataValue.table(records)

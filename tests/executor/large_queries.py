"""Queries whose plans could become very large or deep."""


def binary_fragments(levels: int) -> str:
    """Each fragment spreads the next one twice. Expanded, the query has 2^levels leaves."""
    parts = [f"fragment F{n} on Item {{ a {{ ...F{n + 1} }} b {{ ...F{n + 1} }} }}" for n in range(levels)]
    return f"{{ item {{ ...F0 }} }} {' '.join(parts)} fragment F{levels} on Item {{ id }}"


def merging_fragments(levels: int) -> str:
    """Each path of a and b merges different fragments. Each level has twice as many selections as the level above."""
    parts: list[str] = []
    for n in range(levels):
        parts += [f"fragment Q{n} on Item {{ a {{ ...Q{n + 1} ...P{n + 1}_1 }} b {{ ...Q{n + 1} }} }}"]
        for k in range(1, n + 1):
            inner = f"{{ ...P{n + 1}_{k + 1} }}"
            parts += [f"fragment P{n}_{k} on Item {{ a {inner} b {inner} }}"]
    parts += [f"fragment Q{levels} on Item {{ id }}"]
    parts += [f"fragment P{levels}_{k} on Item {{ k{k}: id }}" for k in range(1, levels + 1)]
    return f"{{ item {{ ...Q0 }} }} {' '.join(parts)}"


def deep_query(levels: int) -> str:
    """The field `item`, nested `levels` times below the root field."""
    return "{ item " * (levels + 1) + "{ id }" + " }" * levels + "}"

"""The hot medians as an SVG: a row a question, a dot an engine, time on a logarithmic scale. Plain text, no library."""

import math
from xml.sax.saxutils import escape

from questions import ENGINES, NAMES, QUESTIONS
from report import hot, milliseconds, unoptimised

WIDTH = 920
LEFT, RIGHT = 276, 44
TOP, ROW = 116, 36
COLORS = {
    "auditlake": "#0b6e4f",
    "duckdb": "#e0a100",
    "datafusion": "#4f7fc4",
    "clickhouse_parquet": "#b58bc9",
    "clickhouse": "#c0392b",
}
INK, GRAY, GRID = "#1f2328", "#59636e", "#e4e7eb"
FONT = "font-family=\"-apple-system, 'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif\""


def draw(results):
    """The whole picture."""
    engines = [engine for engine in ENGINES if engine in results["measured"]]
    rows = [
        (question, {engine: hot(results, engine, question.name) for engine in engines})
        for question in QUESTIONS
    ]
    # Results of before a question was thought of have no row of it.
    rows = [(question, row) for question, row in rows if any(row.values())]
    times = [value for _, row in rows for value in row.values() if value]
    low = math.floor(math.log10(min(times)))
    high = max(math.ceil(math.log10(max(times))), low + 1)
    bottom = TOP + ROW * len(rows)

    def x(value):
        return LEFT + (math.log10(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    shapes = [_title(results), _legend(engines)]
    shapes += _grid(low, high, x, bottom)
    for number, (question, row) in enumerate(rows):
        shapes += _row(question, row, TOP + ROW * number + ROW / 2, x)
    needles = [question.needle for question, _ in rows]
    if len(set(needles)) == 2:
        y = TOP + ROW * needles.index(False)
        shapes.append(
            f'<line x1="16" y1="{y}" x2="{WIDTH - 16}" y2="{y}" stroke="#c4cad1" stroke-dasharray="2 3"/>'
        )
    height = bottom + 62
    note = "Median of repeated questions, two threads each. Left is faster."
    shapes.append(_text(16, height - 14, f"{note} {unoptimised(results)}".strip(), 12, GRAY))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" {FONT}>\n'
        f'<rect width="{WIDTH}" height="{height}" rx="6" fill="#ffffff"/>\n'
        + "\n".join(shapes)
        + "\n</svg>\n"
    )


def _title(results):
    title = f"Time to answer, {results['workload']['events']:,} events of one tenant over three years"
    return _text(16, 32, title, 18, INK, weight=600)


def _legend(engines):
    shapes, x = [], 22
    for engine in engines:
        shapes.append(f'<circle cx="{x}" cy="58" r="6" fill="{COLORS[engine]}"/>')
        shapes.append(_text(x + 11, 62, NAMES[engine], 12.5, INK))
        x += 36 + 6.6 * len(NAMES[engine])
    return "\n".join(shapes)


def _grid(low, high, x, bottom):
    shapes = []
    for power in range(low, high + 1):
        at = x(10**power)
        shapes.append(f'<line x1="{at:.1f}" y1="{TOP - 6}" x2="{at:.1f}" y2="{bottom}" stroke="{GRID}"/>')
        label = f"{10 ** (power - 3):g} s" if power >= 3 else f"{10**power:g} ms"
        shapes.append(_text(at, TOP - 14, label, 12, GRAY, anchor="middle"))
        shapes.append(_text(at, bottom + 18, label, 12, GRAY, anchor="middle"))
    return shapes


def _row(question, row, y, x):
    shapes = [_text(LEFT - 16, y + 4.5, question.title, 13.5, INK, anchor="end")]
    known = {engine: value for engine, value in row.items() if value}
    if not known:
        return shapes
    left, right = x(min(known.values())), x(max(known.values()))
    shapes.append(
        f'<line x1="{left:.1f}" y1="{y}" x2="{right:.1f}" y2="{y}" stroke="#cfd5db" stroke-width="2"/>'
    )
    # Ours is drawn last, on top.
    for engine in sorted(known, key=lambda engine: engine == "auditlake"):
        value = known[engine]
        radius = 7 if engine == "auditlake" else 5.5
        shapes.append(
            f'<circle cx="{x(value):.1f}" cy="{y}" r="{radius}" fill="{COLORS[engine]}" stroke="#ffffff" stroke-width="1.5">'
            f"<title>{escape(NAMES[engine])}: {milliseconds(value)} ms</title></circle>"
        )
    if "auditlake" in known:
        value = known["auditlake"]
        # Above the dot, where no other dot can be.
        label = f"{milliseconds(value)} ms"
        shapes.append(_text(x(value), y - 9.5, label, 11.5, COLORS["auditlake"], anchor="middle", weight=600))
    return shapes


def _text(x, y, text, size, color, anchor="start", weight=400):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{color}" text-anchor="{anchor}" font-weight="{weight}">'
        f"{escape(text)}</text>"
    )

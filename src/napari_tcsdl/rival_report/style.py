"""Looks of the page: readable on paper, on a projector and in the dark."""

STYLE = """
:root { color-scheme: light dark; --ground: #fff; --text: #1b1f24; --muted: #5c6570;
  --line: #d8dde3; --card: #f6f8fa; --ours: #fff3e6; --accent: #c25a00; }
@media (prefers-color-scheme: dark) { :root { --ground: #15181d; --text: #e6e9ee;
  --muted: #98a1af; --line: #343a45; --card: #1c2027; --ours: #33261a; --accent: #ff9f43; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text);
  font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
header, main { max-width: 1280px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 28px; }
h1 { font-size: 26px; margin: 0; overflow-wrap: anywhere; }
header p { color: var(--muted); margin: 4px 0 0; }
h2 { font-size: 18px; margin: 34px 0 8px; }
p { max-width: 90ch; }
.verdict { background: var(--card); border-left: 4px solid var(--accent); margin: 0;
  padding: 12px 18px 12px 36px; font-size: 16px; }
.verdict li { margin: 4px 0; }
.wide { overflow-x: auto; margin: 10px 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13.5px; }
th, td { padding: 4px 10px; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; }
th { color: var(--muted); font-weight: 600; vertical-align: bottom; }
th[colspan] { text-align: center; }
th:first-child, td:first-child, td.left { text-align: left; }
td.group { text-align: left; color: var(--muted); padding-top: 12px; font-style: italic; }
td.text { text-align: left; white-space: normal; min-width: 16ch; }
td.text + td.text { min-width: 24ch; }
.muted { color: var(--muted); }
.best { font-weight: 700; color: var(--accent); }
tr.ours td { background: var(--ours); }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(520px, 100%), 1fr));
  gap: 18px; align-items: start; }
figure { margin: 0; max-width: 820px; }
svg { width: 100%; height: auto; display: block; background: var(--card); border-radius: 6px; }
.grid { stroke: var(--line); stroke-width: .7; }
.axis { stroke: var(--muted); fill: none; }
.mark { stroke: var(--muted); stroke-dasharray: 4 4; }
.point { stroke: var(--card); stroke-width: 1; }
svg text { fill: var(--text); font-size: 12px; }
svg .tick { fill: var(--muted); font-size: 11.5px; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; max-width: none; font-size: 13px; }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 3px;
  margin-right: 5px; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 16px; }
.cards figure { background: var(--card); border-radius: 6px; padding: 8px; }
.cards img { width: 100%; display: block; margin-top: 6px; image-rendering: pixelated; }
figcaption { font-size: 12.5px; min-height: 5.6em; overflow-wrap: anywhere; }
@media print { .cards figure, table { break-inside: avoid; } }
"""

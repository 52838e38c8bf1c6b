/** The colours and fonts of a picture, for a light and a dark reader. */

/** The colours in light and dark. */
const colours: Readonly<Record<string, readonly [light: string, dark: string]>> = {
  paper: ["#ffffff", "#0d1117"],
  stripe: ["#f6f8fa", "#151b23"],
  ink: ["#1f2328", "#e6edf3"],
  faint: ["#59636e", "#9198a1"],
  grid: ["#d8dee4", "#2b323b"],
  running: ["#8bb8e8", "#3d6fa5"],
  stop: ["#e8c53a", "#b8941f"],
  interrupt: ["#ef8b3c", "#d2691e"],
  unwind: ["#e0484f", "#d13b43"],
  kill: ["#9355c9", "#9a63d4"],
  lease: ["#0b7a6b", "#2fc2a8"],
  bad: ["#b3122a", "#ff6b78"],
  good: ["#1a7f37", "#3fb950"]
}

/** The classes of shapes that are filled with the colour of the same name. */
const fills = ["paper", "stripe", "running", "stop", "interrupt", "unwind", "kill", "lease", "bad"]

const scheme = (which: 0 | 1): string =>
  Object.entries(colours)
    .map(([name, both]) => `--${name}:${both[which]}`)
    .join(";")

export const style: string = [
  `svg{color-scheme:light dark;${scheme(0)}}`,
  `@media (prefers-color-scheme:dark){svg{${scheme(1)}}}`,
  "text{font-family:ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace;font-size:12px;fill:var(--ink)}",
  ".title{font-size:17px;font-weight:600}",
  ".faint{fill:var(--faint)}",
  ".small{font-size:10px;fill:var(--faint)}",
  ".tiny{font-size:9px}",
  ".callout{font-size:10px;font-weight:600;fill:var(--ink);stroke:var(--paper);stroke-width:3px;paint-order:stroke}",
  ".on{font-size:10px;fill:#14181d}",
  ".pale{fill:var(--ink)}",
  ...fills.map((name) => `.${name}{fill:var(--${name})}`),
  ".cleaning{opacity:.45}",
  ".waiting{fill:var(--paper);stroke:var(--faint);stroke-dasharray:3 2}",
  ".grid{stroke:var(--grid)}",
  ".branch{fill:none;stroke:var(--faint)}",
  ".held{stroke:var(--lease);stroke-width:2}",
  ".thin{stroke-width:1}",
  ".lost{stroke:var(--bad);stroke-width:2;stroke-dasharray:3 2}",
  ".ring{fill:none;stroke:var(--ink);stroke-width:1.5}",
  ".mark{fill:none;stroke-width:2;stroke-linecap:round;stroke-linejoin:round}",
  ".ok{stroke:var(--good)}",
  ".no{stroke:var(--bad)}",
  ".cut{stroke:var(--ink)}",
  ".dropped{stroke:var(--bad);stroke-dasharray:6 4}"
].join("")

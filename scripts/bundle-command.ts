/**
 * Bundles the command `quiesce` into one file before `@quiesce/process` is packed. Otherwise, the command would spend
 * most of its time on loading the modules of Effect one by one.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { build } from "esbuild"

const root = join(import.meta.dirname, "../packages/process")

/** The bundle has parts of Effect, whose licence requires its text. */
const licence = readFileSync(join(root, "node_modules/effect/LICENSE"), "utf8").trim().replaceAll("\n", "\n * ")

await build({
  entryPoints: [join(root, "src/internal/eyes/quiesce.ts")],
  outfile: join(root, "dist/quiesce.js"),
  bundle: true,
  minify: true,
  platform: "node",
  format: "esm",
  target: "node22",
  legalComments: "none",
  banner: { js: `/*!\n * With parts of Effect:\n *\n * ${licence}\n */` }
})
